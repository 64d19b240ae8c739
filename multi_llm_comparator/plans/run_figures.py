"""What one run tells of the models that took part, without its texts: so that many can be kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.metrics import RunMetrics, all_steps, run_metrics
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planning_pace import WrittenPlan
from multi_llm_comparator.plans.step_samples import StepSample, samples_of, written_plans


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFigures:
    """One call of a target. Times in seconds; None means not known, or never came to it."""

    target: str
    has_failed: bool
    is_done: bool
    prompt_tokens: int
    tokens: int
    ttft_s: float | None
    tokens_per_second: float | None
    load_s: float | None
    duration_s: float | None
    cost_usd: float | None

    @classmethod
    def of(cls, target: str, answer: AnswerProgress) -> CallFigures:
        return cls(
            target=target,
            has_failed=answer.state == "failed",
            is_done=answer.state == "done",
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            ttft_s=answer.ttft_s,
            tokens_per_second=answer.tokens_per_second,
            load_s=answer.load_s,
            duration_s=answer.duration_s,
            cost_usd=answer.cost_usd,
        )


@dataclass(frozen=True, slots=True)
class RunFigures:
    """All calls of a run, what its steps took and beside whom, and the plans that ``planner`` wrote for it."""

    metrics: RunMetrics
    calls: tuple[CallFigures, ...]
    samples: tuple[StepSample, ...]
    planner: str
    plans: tuple[WrittenPlan, ...]

    @classmethod
    def of(cls, run: PlanRun) -> RunFigures:
        return cls(
            run_metrics(run),
            tuple(_calls(run)),
            tuple(samples_of(run)),
            run.options.router_model,
            tuple(written_plans(run)),
        )


def _calls(run: PlanRun) -> Iterator[CallFigures]:
    for attempt in run.planning:
        yield CallFigures.of(run.options.router_model, attempt.progress)
    for step in all_steps(run):
        for one in step.attempts:
            yield CallFigures.of(one.target, one.progress)
    if run.aggregate is not None:
        yield CallFigures.of(run.options.aggregator or run.options.executor.large_model, run.aggregate)
