"""What finished steps tell of the models that solved them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import chain

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.answer_lengths import SeenAnswer, whole_tasks
from multi_llm_comparator.plans.company import Busy, Company, Phase
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planning_pace import WrittenPlan
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.plans.timeline import Span, loads_of, merged, working_s

NOBODY = astuple(Company())


@dataclass(frozen=True, slots=True)
class PhaseSample:
    """What one phase of a step took, and the seconds that each part of its :class:`Company` was there: the sum over
    that time."""

    seconds: float
    beside: tuple[float, ...]

    def __add__(self, other: PhaseSample) -> PhaseSample:
        """One after the other."""
        beside = tuple(a + b for a, b in zip(self.beside, other.beside, strict=True))
        return PhaseSample(self.seconds + other.seconds, beside)


@dataclass(frozen=True, slots=True)
class StepSample:
    """One finished step: what it was, and what it took, loading left out. To wait is part of ``reading``."""

    target: str
    answer: SeenAnswer
    reading: PhaseSample
    writing: PhaseSample
    tokens_per_second: float | None
    handoff_s: float | None

    @property
    def duration_s(self) -> float:
        return max(1e-6, self.reading.seconds + self.writing.seconds)


@dataclass(slots=True)
class _Span:
    """A phase of something that kept a target at work, from when to when, and how much company it had."""

    target: str
    phase: Phase
    start: float
    end: float
    beside: tuple[float, ...] = NOBODY

    @property
    def sample(self) -> PhaseSample:
        return PhaseSample(self.end - self.start, self.beside)


def samples_of(run: PlanRun) -> list[StepSample]:
    """What the steps of a run tell; those that failed, were tried again or took no model tell nothing."""
    whole = whole_tasks(step.step for step in run.steps.values())
    spans = _in_turn({step_id: _spans(step) for step_id, step in run.steps.items() if step.attempts})
    _meet([*chain.from_iterable(spans.values()), *_planning(run)])
    found: list[StepSample] = []
    for step_id, (waiting, reading, writing) in spans.items():
        step = run.steps[step_id]
        if (progress := _plain_answer(step)) is None:
            continue
        answer = SeenAnswer(
            step.step.task,
            whole[step.step.id],
            step.step.difficulty,
            step.step.token,
            progress.tokens,
            progress.prompt_tokens - progress.cached_tokens,
            sum(_answer_tokens(run, needed) for needed in step.step.rely),
            progress.prompt_tokens,
        )
        samples = waiting.sample + reading.sample, writing.sample
        found.append(StepSample(reading.target, answer, *samples, progress.tokens_per_second, _handoff_s(run, step)))
    return found


def written_plans(run: PlanRun) -> Iterator[WrittenPlan]:
    """What the planner of a run wrote to the end, asked once and not from a cache.

    The first one's time is from the question on. Loading takes the cores as nothing else does, and comes once: what was
    written beside that tells nothing.
    """
    for number, attempt in enumerate(run.planning):
        progress = attempt.progress
        if progress.state != "done" or progress.ended_at is None or not progress.tokens:
            continue
        if progress.attempts <= 1 and progress.cache_age_s is None:
            asked_at = run.created_at if number == 0 else progress.requested_at
            loads = loads_of(progress)
            if _has_loaded(run, loads[-1][1] if loads else asked_at, progress.ended_at):
                continue
            took = max(1e-6, working_s(run, asked_at, progress.ended_at, loads))
            yield WrittenPlan(progress.tokens, took, _beside_s(run, asked_at, progress.ended_at))


def _beside_s(run: PlanRun, start: float, end: float) -> float:
    """How long models were at work on steps between two moments, added up over the models."""
    spans: dict[str, list[Span]] = defaultdict(list)
    for step in run.steps.values():
        for phase in _spans(step) if step.attempts else ():
            spans[phase.target].append((phase.start, phase.end))
    both = chain.from_iterable(merged(each) for each in spans.values())
    return sum(max(0.0, min(until, end) - max(since, start)) for since, until in both)


def _has_loaded(run: PlanRun, start: float, end: float) -> bool:
    """Whether a model was loaded for a step between two moments."""
    asked = (one.progress for step in run.steps.values() for one in step.attempts)
    loaded = ((p.loading_at, p.started_at or p.ended_at or end) for p in asked if p.loading_at is not None)
    return any(since < end and until > start for since, until in loaded)


def _plain_answer(step: StepRun) -> AnswerProgress | None:
    """The answer of a step that was asked once, of a model and not of a cache."""
    if step.state != "done" or len(step.attempts) != 1:
        return None
    progress = step.attempts[0].progress
    if progress.attempts > 1 or progress.cache_age_s is not None:
        return None
    return progress if progress.tokens and progress.ttft_s is not None else None


def _answer_tokens(run: PlanRun, step_id: str) -> int:
    """How long the answer of a step was; one that needed no model is not counted."""
    step = run.steps.get(step_id)
    return step.attempts[-1].progress.tokens if step and step.attempts else 0


def _handoff_s(run: PlanRun, step: StepRun) -> float | None:
    """From the last end of what the step needed to its start; None if it waited for a worker or for the planner."""
    ends = [run.steps[n].ended_at for n in step.step.rely if n in run.steps]
    last = max((end for end in ends if end is not None), default=None)
    if last is None or step.started_at is None or step.arrived_at > last or (step.queued_s or 0.0) > 0.001:
        return None
    return step.started_at - last


def _spans(step: StepRun) -> tuple[_Span, _Span] | tuple[()]:
    """Its phases, loading left out."""
    if step.started_at is None or step.ended_at is None:
        return ()
    target, progress = step.attempts[-1].target, step.attempts[-1].progress
    # Steps that wait for one load each tell of all of it, whenever they came.
    start = progress.started_at if progress.load_s and progress.started_at else step.started_at
    start = min(step.ended_at, max(step.started_at, start))
    first_at = min(step.ended_at, max(start, progress.first_token_at or step.ended_at))
    return _Span(target, "reading", start, first_at), _Span(target, "writing", first_at, step.ended_at)


def _in_turn(spans: Mapping[str, tuple[_Span, ...]]) -> dict[str, tuple[_Span, _Span, _Span]]:
    """Each step's reading parted where those on the same model that came before it had read."""
    read_until: dict[str, float] = {}
    parted: dict[str, tuple[_Span, _Span, _Span]] = {}
    # Of those that came at the same moment, whoever had read first was first.
    order = sorted(((i, s) for i, s in spans.items() if s), key=lambda one: (one[1][0].start, one[1][0].end))
    for step_id, (reading, writing) in order:
        before = read_until.get(reading.target, 0.0)
        turn = min(max(reading.start, before), reading.end)
        read_until[reading.target] = max(before, reading.end)
        waiting = _Span(reading.target, "waiting", reading.start, turn)
        parted[step_id] = waiting, _Span(reading.target, "reading", turn, reading.end), writing
    return parted


def _planning(run: PlanRun) -> Iterator[_Span]:
    for attempt in run.planning:
        if (ended := attempt.progress.ended_at) is not None:
            yield _Span(run.options.router_model, "planning", attempt.progress.requested_at, ended)


def _meet(spans: Sequence[_Span]) -> None:
    """Let each of them know what company it had."""
    long = [s for s in spans if s.end > s.start]
    # Ends before starts at the same moment: those two never met.
    turns = sorted([(s.start, 1, n) for n, s in enumerate(long)] + [(s.end, 0, n) for n, s in enumerate(long)])
    busy: Busy = Counter()
    there: dict[int, _Span] = {}
    before = 0.0
    for at, is_start, number in turns:
        for span in there.values() if at > before else ():
            company = astuple(Company.of(span.target, span.phase, busy))
            span.beside = tuple(s + (at - before) * c for s, c in zip(span.beside, company, strict=True))
        before, span = at, long[number]
        busy[span.target, span.phase] += 1 if is_start else -1
        if is_start:
            there[number] = span
        else:
            del there[number]
