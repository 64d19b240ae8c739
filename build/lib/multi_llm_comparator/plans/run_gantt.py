"""A run as the lanes of a Gantt chart: planner, steps and aggregation, with the prediction as outlines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from multi_llm_comparator.charts.lanes import MAX_ROWS, Lanes, Row, Sign, Span
from multi_llm_comparator.charts.svg import lane_chart
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepState
from multi_llm_comparator.plans.timeline import Clock, Interval, Lane, LaneKind, lanes_of, stalls_of

# What was predicted of planner and aggregation, which have no id, and of steps: seconds of work from the question on.
Outlines = Mapping[tuple[LaneKind, str], Interval]
_SIGNS: Mapping[StepState, Sign] = {"failed": "failed", "stopped": "stopped", "skipped": "stopped"}


@dataclass(frozen=True)
class GanttWords:
    """What the chart says, in the reader's language."""

    title: str = "What ran when"
    left_out: str = "without {n} more rows"
    plan: str = "plan"
    plan_again: str = "plan {n}"
    answer: str = "aggregation"
    tokens: str = "{tokens} tokens"
    worker: str = "waiting for a worker"
    model: str = "waiting for the model"
    load: str = "loading the model"
    prefill: str = "to the first token"


def run_lanes(
    run: PlanRun,
    critical: Sequence[str] = (),
    outlines: Outlines | None = None,
    words: GanttWords = GanttWords(),
    *,
    at: float | None = None,
) -> Lanes:
    """The lanes of a run, on a clock that starts with the question and leaves pauses out.

    Args:
        run: finished or at work.
        critical: the steps of the critical path, in order.
        outlines: what was predicted.
        words: for the labels of planner and aggregation.
        at: now, in seconds since the epoch, for what goes on; None where nothing does.
    """
    lanes = lanes_of(run, at)
    clock = Clock(run.created_at, run.pauses, stalls_of(run))
    rows = [_row(lane, clock, critical, outlines or {}, words) for lane in _fitting(lanes, MAX_ROWS)]
    ends = [clock.seconds(stretch.end) for lane in lanes for stretch in lane.stretches]
    ends += [clock.worked(end, is_end=True) for _, end in (outlines or {}).values()]
    return Lanes(tuple(rows), max(ends, default=0.0), len(lanes) - len(rows), tuple(critical), tuple(clock.cuts))


def gantt_of(
    run: PlanRun, critical: Sequence[str], outlines: Outlines | None = None, words: GanttWords = GanttWords()
) -> str:
    """The chart as SVG. Waiting is pale, the steps of ``critical`` are marked."""
    kinds = {"worker": words.worker, "model": words.model, "load": words.load, "prefill": words.prefill}
    lanes = run_lanes(run, critical, outlines, words)
    return lane_chart(words.title, lanes, waiting=kinds, tokens=words.tokens, left_out=words.left_out)


def _row(lane: Lane, clock: Clock, critical: Collection[str], outlines: Outlines, words: GanttWords) -> Row:
    step = lane.step
    step_id = step.step.id if step else ""
    outline = outlines.get((lane.kind, step_id)) if lane.number <= 1 else None
    spans = tuple(
        Span(clock.seconds(s.start), clock.seconds(s.end), s.kind, s.target, s.answered_by, s.tokens, s.error)
        for s in lane.stretches
    )
    begun, ended = (step.started_at, step.ended_at) if step else (None, None)
    is_framed = step_id in critical and begun is not None
    no_model = step is not None and step.state == "done" and not step.attempts
    return Row(
        id=step_id,
        label=" ".join(step.step.task.split()) if step else _label(lane, words),
        spans=spans,
        # The planner and the aggregation are on every critical path.
        is_marked=step_id in critical if step else bool(critical),
        outline=(clock.worked(outline[0]), clock.worked(outline[1], is_end=True)) if outline else None,
        frame=(clock.seconds(begun or 0.0), clock.seconds(ended)) if is_framed and ended else None,
        sign=None if not step or not ended else "no_model" if no_model else _SIGNS.get(step.state),
        end_s=max([clock.seconds(ended) if ended else 0.0, *(span.end_s for span in spans)]),
    )


def _label(lane: Lane, words: GanttWords) -> str:
    if lane.kind == "answer":
        return words.answer
    return words.plan_again.format(n=lane.number) if lane.number > 1 else words.plan


def _fitting(lanes: Sequence[Lane], most: int) -> list[Lane]:
    """So many lanes as there is room for: the first ones, and the aggregation, which ends the run."""
    kept = list(lanes[:most])
    if len(lanes) > most and lanes[-1].kind == "answer":
        kept[-1] = lanes[-1]
    return kept
