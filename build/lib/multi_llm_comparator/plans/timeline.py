"""When what ran: a run as lanes (the planner, each step, the aggregation) of stretches, on one clock."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun

StretchKind = Literal["worker", "model", "load", "prefill", "decode"]
LaneKind = Literal["plan", "step", "answer"]

# From when to when.
Interval = tuple[float, float]
# What is left on the clock of the time between being stopped and being resumed.
CUT_GAP_S = 0.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Time spent in one way, in seconds since the epoch.

    ``worker`` is waiting for a free worker, ``model`` for the model, ``load`` its loading, ``prefill`` its reading up
    to the first token, and ``decode`` its writing. ``target`` was asked, ``answered_by`` is the model that answered
    for it.
    """

    kind: StretchKind
    start: float
    end: float
    target: str
    answered_by: str
    tokens: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One row of a Gantt chart. ``number`` counts the lanes of the planner from 1."""

    kind: LaneKind
    number: int
    stretches: tuple[Stretch, ...]
    step: StepRun | None = None


def lanes_of(run: PlanRun, at: float | None = None) -> list[Lane]:
    """The planner's attempts, the steps in the plan's order, and the aggregation.

    Args:
        at: what goes on now reaches up to this moment; None leaves what has no end at its last token.
    """
    planner = run.options.router_model
    # One that was given up has perhaps no end of its own: only the last one can still be at work.
    writing = [at if run.phase == "planning" and a is run.planning[-1] else None for a in run.planning]
    lanes = [
        Lane("plan", number, tuple(_answer_stretches(a.progress, planner, until)))
        for number, (a, until) in enumerate(zip(run.planning, writing, strict=True), 1)
    ]
    lanes += [Lane("step", 0, tuple(_step_stretches(step, at)), step) for step in run.steps.values()]
    if run.aggregate is not None:
        lanes.append(Lane("answer", 0, tuple(_answer_stretches(run.aggregate, run.options.aggregator_model, at))))
    return lanes


def _step_stretches(step: StepRun, at: float | None) -> Iterable[Stretch]:
    taken = step.started_at or (at if step.state == "ready" else None)
    if step.ready_at is not None and taken is not None and taken > step.ready_at:
        target = step.attempts[0].target if step.attempts else ""
        yield Stretch("worker", step.ready_at, taken, target, target)
    for attempt in step.attempts:
        yield from _answer_stretches(attempt.progress, attempt.target, at)


def _answer_stretches(progress: AnswerProgress, target: str, at: float | None) -> Iterable[Stretch]:
    end = progress.ended_at or at or progress.last_token_at
    if end is None:
        return
    marks = sorted(_marks(progress), key=lambda mark: mark[1])
    ends = [*(start for _, start in marks[1:]), end]
    who = progress.answered_by or target
    for number, ((kind, start), until) in enumerate(zip(marks, ends, strict=True), 1):
        is_last = number == len(marks)
        if until > start or is_last:
            tokens = progress.tokens if kind == "decode" else 0
            error = progress.error if is_last else None
            yield Stretch(kind, start, max(start, until), target, who, tokens, error)


def _marks(progress: AnswerProgress) -> Iterable[tuple[StretchKind, float]]:
    """What begins when."""
    yield "model", progress.requested_at
    if progress.loading_at is not None:
        yield "load", progress.loading_at
        # Loading may have begun before this request: what it took in all can reach beyond its end.
        loaded, limit = progress.loading_at + (progress.load_s or 0.0), progress.started_at or progress.ended_at
        if progress.load_s is not None and (limit is None or loaded < limit):
            yield "model", loaded
    if progress.started_at is not None:
        yield "prefill", progress.started_at
    if progress.first_token_at is not None:
        yield "decode", progress.first_token_at


def merged(spans: Iterable[Interval]) -> list[Interval]:
    """The same time without overlaps, in order."""
    apart: list[Interval] = []
    for start, end in sorted(spans):
        if apart and start <= apart[-1][1]:
            apart[-1] = apart[-1][0], max(apart[-1][1], end)
        else:
            apart.append((start, end))
    return apart


def minus(span: Interval, holes: Iterable[Interval]) -> list[Interval]:
    """What is left of a time without others."""
    start, end = span
    left: list[Interval] = []
    for since, until in merged(holes):
        if since < end and until > start:
            left.append((start, since))
            start = min(end, until)
    return [(since, until) for since, until in [*left, (start, end)] if until > since]


def length_s(spans: Iterable[Interval]) -> float:
    return sum(end - start for start, end in spans)


def loads_of(progress: AnswerProgress) -> list[Interval]:
    """When an answer that has ended waited for its model to load."""
    return [(s.start, s.end) for s in _answer_stretches(progress, "", None) if s.kind == "load"]


def stalls_of(run: PlanRun) -> list[Interval]:
    """When a run only waited for models to load: some model was being loaded, and nobody read or wrote anything.

    A model that many steps wait for is loaded once, so those moments count once. In seconds since the epoch.
    """
    lanes = lanes_of(run, None if run.is_over else now())
    stretches = [stretch for lane in lanes for stretch in lane.stretches]
    at_work = [(s.start, s.end) for s in stretches if s.kind in ("prefill", "decode")]
    loading = merged((s.start, s.end) for s in stretches if s.kind == "load")
    return [stall for load in loading for stall in minus(load, at_work)]


def working_s(run: PlanRun, start: float, end: float, without: Iterable[Interval] = ()) -> float:
    """Seconds between two moments, without those in which nobody worked on the run.

    Args:
        run: whose pauses are left out.
        start: since the epoch.
        end: likewise.
        without: more that is left out, such as what :func:`stalls_of` gives.
    """
    return length_s(minus((start, end), [*run.pauses, *without]))


class Clock:
    """Turns moments into seconds since ``origin``, leaving out the pauses of a run that was stopped and resumed.

    ``cuts`` are those pauses: where on the clock, and how many seconds they lasted. ``stalls`` stay on the clock, but
    are no work.
    """

    def __init__(self, origin: float, pauses: Sequence[Interval], stalls: Sequence[Interval] = ()) -> None:
        self.origin = origin
        self.cuts: list[tuple[float, float]] = []
        self._gaps: list[tuple[float, float]] = []
        # After how much work each pause and each stall came, and what is left of it on the clock.
        self._rests: list[tuple[float, float]] = []
        removed = idle = 0.0
        for since, until, is_pause in sorted([*((*p, True) for p in pauses), *((*s, False) for s in stalls)]):
            length = until - since
            self._rests.append((since - origin - idle, min(length, CUT_GAP_S) if is_pause else length))
            idle += length
            if is_pause and length > CUT_GAP_S:
                self._gaps.append((until, length - CUT_GAP_S))
                self.cuts.append((since - origin - removed + CUT_GAP_S / 2, length))
                removed += length - CUT_GAP_S

    def seconds(self, at: float) -> float:
        """Seconds since the origin, pauses left out; nothing is before the origin."""
        return max(0.0, at - self.origin - sum(length for end, length in self._gaps if at >= end))

    def worked(self, seconds: float, *, is_end: bool = False) -> float:
        """Where so many seconds of work are on the clock: as :meth:`seconds` of the moment when so much was done.

        Args:
            seconds: of work since the origin, as :func:`working_s` counts them without the stalls.
            is_end: what ends as a pause begins stands before it, what begins then behind it.
        """
        return seconds + sum(rest for at, rest in self._rests if at < seconds or (at == seconds and not is_end))
