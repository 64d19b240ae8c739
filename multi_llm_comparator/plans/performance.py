"""Keeps an eye on tokens, cost and time over one run or many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from multi_llm_comparator.plans.fitting import fitted_profile
from multi_llm_comparator.plans.metrics import RunMetrics, total_cost
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planning_pace import PlanningPace, WrittenPlan
from multi_llm_comparator.plans.run_figures import CallFigures, RunFigures
from multi_llm_comparator.plans.step_samples import StepSample
from multi_llm_comparator.plans.theory import ModelProfile


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
            cost_usd=total_cost(c.cost_usd for c in calls),
        )


class PerformanceTracker:
    """Collects finished runs and tells what they took, per model and over all.

    tracker = PerformanceTracker()
    tracker.track(run)
    tracker.models()["demo-small"].tokens_per_second
    tracker.profiles()   # what theory.schedule_plan wants
    """

    def __init__(self) -> None:
        self._calls: dict[str, list[CallFigures]] = defaultdict(list)
        self._runs: list[RunMetrics] = []
        self._samples: dict[str, list[StepSample]] = defaultdict(list)
        self._plans: dict[str, list[WrittenPlan]] = defaultdict(list)

    def track(self, run: PlanRun) -> RunMetrics:
        """Take a run into account and return its own figures."""
        figures = RunFigures.of(run)
        self.add(figures)
        return figures.metrics

    def add(self, figures: RunFigures) -> None:
        """Take a run into account whose figures were kept."""
        for call in figures.calls:
            self._calls[call.target].append(call)
        for sample in figures.samples:
            self._samples[sample.target].append(sample)
        self._plans[figures.planner] += figures.plans
        self._runs.append(figures.metrics)

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

    def profiles(self) -> dict[str, ModelProfile]:
        """How fast each target was, as a prediction needs it; targets that generated nothing have none."""
        found: dict[str, ModelProfile] = {}
        for target, calls in self._calls.items():
            answered = [c for c in calls if c.is_done and c.ttft_s is not None and c.tokens]
            if not answered:
                continue
            tokens, cost = sum(c.tokens for c in answered), total_cost(c.cost_usd for c in answered)
            usd_per_token = cost / tokens if cost else 0.0
            # Plans and summaries are longer than the answers of steps, and are no steps.
            samples = self._samples.get(target, [])
            profile = fitted_profile(samples, usd_per_token) if samples else _plain_profile(answered, usd_per_token)
            putting = [c.duration_s for c in answered if c.part == "answer" and c.duration_s is not None]
            answer_s = median(putting) if putting else None
            found[target] = replace(profile, answers=len(samples or answered), answer_s=answer_s)
            if plans := self._plans.get(target):
                found[target] = replace(found[target], planning=PlanningPace.fitted(plans))
        return found


def _plain_profile(answered: Sequence[CallFigures], usd_per_token: float) -> ModelProfile:
    """Of a target that solved no step yet."""
    speeds = [c.tokens_per_second for c in answered if c.tokens_per_second]
    return ModelProfile(
        ttft_s=median(c.ttft_s or 0.0 for c in answered),
        tokens_per_second=median(speeds) if speeds else float("inf"),
        usd_per_token=usd_per_token,
    )
