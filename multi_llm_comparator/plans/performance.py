"""Keeps an eye on tokens, cost and time over one run or many."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from statistics import fmean, median

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.fitting import fitted_profile
from multi_llm_comparator.plans.metrics import RunMetrics, all_steps, run_metrics, total_cost
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planning_pace import PlanningPace, WrittenPlan
from multi_llm_comparator.plans.step_samples import StepSample, samples_of, written_plans
from multi_llm_comparator.plans.theory import ModelProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPerformance:
    """What one target did over all tracked runs. Medians, so that one slow first load does not speak for all.

    ``busy_s`` is the sum over all calls, from request to end.
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


@dataclass
class _Calls:
    answers: list[AnswerProgress] = field(default_factory=list)

    def performance(self, target: str) -> ModelPerformance:
        ttft = [a.ttft_s for a in self.answers if a.ttft_s is not None]
        speed = [a.tokens_per_second for a in self.answers if a.tokens_per_second is not None]
        return ModelPerformance(
            target=target,
            calls=len(self.answers),
            failures=sum(a.state == "failed" for a in self.answers),
            prompt_tokens=sum(a.prompt_tokens for a in self.answers),
            tokens=sum(a.tokens for a in self.answers),
            ttft_s=median(ttft) if ttft else None,
            tokens_per_second=median(speed) if speed else None,
            busy_s=sum(a.duration_s or 0.0 for a in self.answers),
            cost_usd=total_cost(self.answers),
        )


class PerformanceTracker:
    """Collects finished runs and tells what they took, per model and over all.

    tracker = PerformanceTracker()
    tracker.track(run)
    tracker.models()["demo-small"].tokens_per_second
    tracker.profiles()   # what theory.schedule_plan wants
    """

    def __init__(self) -> None:
        self._calls: dict[str, _Calls] = defaultdict(_Calls)
        self._runs: list[RunMetrics] = []
        self._samples: list[StepSample] = []
        self._plans: dict[str, list[WrittenPlan]] = defaultdict(list)

    def track(self, run: PlanRun) -> RunMetrics:
        """Take a run into account and return its own figures."""
        for attempt in run.planning:
            self._calls[run.options.router_model].answers.append(attempt.progress)
        for step in all_steps(run):
            for one in step.attempts:
                self._calls[one.target].answers.append(one.progress)
        if run.aggregate is not None:
            target = run.options.aggregator or run.options.executor.large_model
            self._calls[target].answers.append(run.aggregate)
        self._samples += samples_of(run)
        self._plans[run.options.router_model] += written_plans(run)
        metrics = run_metrics(run)
        self._runs.append(metrics)
        return metrics

    @property
    def runs(self) -> tuple[RunMetrics, ...]:
        return tuple(self._runs)

    def models(self) -> dict[str, ModelPerformance]:
        """What each target did, by its name."""
        return {target: calls.performance(target) for target, calls in sorted(self._calls.items())}

    def mean(self, figure: str) -> float | None:
        """Mean of one of :class:`RunMetrics`' figures over all runs that have it."""
        values = [v for run in self._runs if (v := getattr(run, figure)) is not None]
        return fmean(values) if values else None

    def profiles(self) -> dict[str, ModelProfile]:
        """How fast each target was, as a prediction needs it; targets that generated nothing have none.

        The time to the first token leaves loading out: it happens once, and not in the next run.
        """
        found: dict[str, ModelProfile] = {}
        for target, calls in self._calls.items():
            answered = [a for a in calls.answers if a.state == "done" and a.ttft_s is not None and a.tokens]
            if not answered:
                continue
            tokens, cost = sum(a.tokens for a in answered), total_cost(answered)
            usd_per_token = cost / tokens if cost else 0.0
            # Plans and summaries are longer than the answers of steps, and are no steps.
            samples = [s for s in self._samples if s.target == target]
            profile = fitted_profile(samples, usd_per_token) if samples else _plain_profile(answered, usd_per_token)
            found[target] = replace(profile, answers=len(samples or answered))
            if plans := self._plans.get(target):
                found[target] = replace(found[target], planning=PlanningPace.fitted(plans))
        return found


def _plain_profile(answered: list[AnswerProgress], usd_per_token: float) -> ModelProfile:
    """Of a target that solved no step yet."""
    speeds = [a.tokens_per_second for a in answered if a.tokens_per_second]
    return ModelProfile(
        ttft_s=max(0.0, median((a.ttft_s or 0.0) - (a.load_s or 0.0) for a in answered)),
        tokens_per_second=median(speeds) if speeds else float("inf"),
        usd_per_token=usd_per_token,
    )
