"""Keeps an eye on tokens, cost and time over one run or many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from multi_llm_comparator.core.timings import AnswerProgress, known_sum
from multi_llm_comparator.plans.metrics import RunMetrics, all_steps, run_metrics
from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.timeline import Interval, length_s, loads_of, merged

Part = Literal["plan", "step", "answer"]


@dataclass(frozen=True, slots=True)
class CallFigures:
    """One call of a target for one part of a run, without its texts.

    Times in seconds, without loading; None means not known, or never came to it. ``was_cut``: the answer ended for its
    budget of tokens. ``is_plain``: done at the first try, by a model and not from a cache, while no other model was
    loaded, which takes the cores as nothing else does. ``task`` is a step's :func:`task_key`.
    """

    target: str
    part: Part
    has_failed: bool
    is_plain: bool
    was_cut: bool
    prompt_tokens: int
    tokens: int
    ttft_s: float | None
    tokens_per_second: float | None
    duration_s: float | None
    cost_usd: float | None
    task: int | None = None

    @classmethod
    def of(
        cls, target: str, part: Part, answer: AnswerProgress, loads: Sequence[Interval], step: Step | None
    ) -> CallFigures:
        """``loads`` is when models were loaded for any call of the run, in seconds since the epoch."""
        loading_s, is_first = length_s(loads_of(answer)), answer.attempts <= 1 and answer.cache_age_s is None
        begun, ended = answer.started_at or answer.requested_at, answer.ended_at or answer.requested_at
        return cls(
            target=target,
            part=part,
            has_failed=answer.state == "failed",
            is_plain=answer.state == "done" and is_first and not any(s < ended and e > begun for s, e in loads),
            was_cut=answer.finish_reason == "length",
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            ttft_s=None if answer.ttft_s is None else max(0.0, answer.ttft_s - loading_s),
            tokens_per_second=answer.tokens_per_second,
            duration_s=None if answer.duration_s is None else max(0.0, answer.duration_s - loading_s),
            cost_usd=answer.cost_usd,
            task=None if step is None else task_key(step),
        )


def task_key(step: Step) -> int:
    """Equal for steps of the same task and budget, within this process."""
    return hash((step.task, step.token))


def calls_of(run: PlanRun) -> Iterator[CallFigures]:
    """All calls of a run: plans, the aggregation, all attempts at steps, which may be many."""
    calls: list[tuple[str, Part, AnswerProgress, Step | None]] = [
        (run.options.router_model, "plan", attempt.progress, None) for attempt in run.planning
    ]
    if run.aggregate is not None:
        calls.append((run.options.aggregator_model, "answer", run.aggregate, None))
    calls += [(one.target, "step", one.progress, of.step) for of in all_steps(run) for one in of.attempts]
    loads = merged(load for _, _, answer, _ in calls for load in loads_of(answer))
    for target, part, answer, step in calls:
        yield CallFigures.of(target, part, answer, loads, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPerformance:
    """What one target did over all tracked runs. Medians, so that one slow first load does not speak for all.

    ``busy_s`` is the sum over all calls, from request to end. Loading is left out, there and in ``ttft_s``.
    """

    target: str
    calls: int
    failures: int
    prompt_tokens: int
    tokens: int
    ttft_s: float | None
    tokens_per_second: float | None
    busy_s: float
    cost_usd: float | None

    @classmethod
    def of(cls, target: str, calls: Sequence[CallFigures]) -> ModelPerformance:
        ttft = [c.ttft_s for c in calls if c.ttft_s is not None]
        speed = [c.tokens_per_second for c in calls if c.tokens_per_second is not None]
        return cls(
            target=target,
            calls=len(calls),
            failures=sum(c.has_failed for c in calls),
            prompt_tokens=sum(c.prompt_tokens for c in calls),
            tokens=sum(c.tokens for c in calls),
            ttft_s=median(ttft) if ttft else None,
            tokens_per_second=median(speed) if speed else None,
            busy_s=sum(c.duration_s or 0.0 for c in calls),
            cost_usd=known_sum(c.cost_usd for c in calls),
        )


class PerformanceTracker:
    """Collects finished runs and tells what they took, per model and over all.

    tracker = PerformanceTracker()
    tracker.track(run)
    tracker.models()["demo-small"].tokens_per_second
    """

    def __init__(self) -> None:
        self._calls: dict[str, list[CallFigures]] = defaultdict(list)
        self._runs: list[RunMetrics] = []

    def track(self, run: PlanRun) -> RunMetrics:
        """Take a run into account and return its own figures."""
        for call in calls_of(run):
            self._calls[call.target].append(call)
        self._runs.append(run_metrics(run))
        return self._runs[-1]

    @property
    def runs(self) -> tuple[RunMetrics, ...]:
        return tuple(self._runs)

    def models(self) -> dict[str, ModelPerformance]:
        """What each target did, by its name."""
        return {target: ModelPerformance.of(target, calls) for target, calls in sorted(self._calls.items())}

    def mean(self, figure: str) -> float | None:
        """Mean of one of :class:`RunMetrics`' figures over all runs that have it."""
        values = [v for run in self._runs if (v := getattr(run, figure)) is not None]
        return fmean(values) if values else None
