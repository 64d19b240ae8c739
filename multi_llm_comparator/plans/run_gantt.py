"""A run as an SVG Gantt chart: planner, steps and aggregation, with the prediction as outlines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from multi_llm_comparator.charts.svg import MAX_ROWS, Span, SpanRow, gantt_chart
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction
from multi_llm_comparator.plans.timeline import Clock, Lane, Stretch, lanes_of, stalls_of


@dataclass(frozen=True)
class GanttWords:
    """What the chart says, in the reader's language."""

    title: str = "What ran when"
    left_out: str = "without {n} more rows"
    plan: str = "plan"
    plan_again: str = "plan {n}"
    answer: str = "put together"
    tokens: str = "{tokens} tokens"
    worker: str = "waiting for a worker"
    model: str = "waiting for the model"
    load: str = "loading the model"
    prefill: str = "to the first token"


def gantt_of(
    run: PlanRun,
    critical: Collection[str],
    prediction: Prediction | None = None,
    words: GanttWords = GanttWords(),
) -> str:
    """The chart as SVG. Waiting is pale, the steps of ``critical`` are marked."""
    lanes = lanes_of(run)
    shown = fitting(lanes, MAX_ROWS)
    clock = Clock(run.created_at, run.pauses, stalls_of(run))
    outlines = (
        {
            s.step.id: Span(clock.worked(s.start_s), clock.worked(s.end_s, is_end=True), s.target, "outline")
            for s in prediction.schedule.steps
        }
        if prediction
        else {}
    )
    rows: list[SpanRow] = []
    for lane in shown:
        spans = [_span(stretch, clock, words) for stretch in lane.stretches]
        step_id = lane.step.step.id if lane.step else ""
        if outline := outlines.get(step_id):
            spans.append(outline)
        elif lane.kind == "plan" and lane.number == 1 and prediction and (planner := prediction.planner):
            ends = clock.worked(planner.end_s, is_end=True)
            spans.append(Span(clock.worked(planner.start_s), ends, planner.target, "outline"))
        elif lane.kind == "answer" and prediction:
            start, end = clock.worked(prediction.schedule.makespan_s), clock.worked(prediction.total_s, is_end=True)
            spans.append(Span(start, end, run.options.aggregator_model, "outline"))
        rows.append(SpanRow(_label(lane, words), tuple(spans), is_critical(lane, critical)))
    left_out = len(lanes) - len(shown)
    title = f"{words.title} ({words.left_out.format(n=left_out)})" if left_out else words.title
    return gantt_chart(title, rows)


def is_critical(lane: Lane, critical: Collection[str]) -> bool:
    """Whether a lane is on the critical path: its steps, and with them the planner and the putting together."""
    return bool(critical) if lane.step is None else lane.step.step.id in critical


def fitting(lanes: Sequence[Lane], most: int) -> list[Lane]:
    """So many lanes as there is room for: the first ones, and the putting together, which ends the run."""
    kept = list(lanes[:most])
    if len(lanes) > most and lanes[-1].kind == "answer":
        kept[-1] = lanes[-1]
    return kept


def _label(lane: Lane, words: GanttWords) -> str:
    if lane.step is not None:
        return f"{lane.step.step.id}: {lane.step.step.task[:22]}"
    if lane.kind == "answer":
        return words.answer
    return words.plan_again.format(n=lane.number) if lane.number > 1 else words.plan


def _span(stretch: Stretch, clock: Clock, words: GanttWords) -> Span:
    start, end = clock.seconds(stretch.start), clock.seconds(stretch.end)
    if stretch.kind == "decode":
        note = f"{stretch.answered_by}, {words.tokens.format(tokens=stretch.tokens)}"
        return Span(start, end, stretch.target, "solid", note)
    waiting = {"worker": words.worker, "model": words.model, "load": words.load, "prefill": words.prefill}
    return Span(start, end, stretch.target, "pale", stretch.error or waiting[stretch.kind])
