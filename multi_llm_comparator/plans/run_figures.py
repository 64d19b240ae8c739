"""What one run tells of the models that took part, without its texts: so that many can be kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.metrics import RunMetrics, all_steps, run_metrics
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planning_pace import WrittenPlan
from multi_llm_comparator.plans.step_samples import StepSample, samples_of, written_plans
from multi_llm_comparator.plans.timeline import length_s, loads_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFigures:
    """One call of a target, for what. Times in seconds, without loading; None means not known, or never came to it."""

    target: str
    part: Literal["plan", "step", "answer"]
    has_failed: bool
    is_done: bool
    prompt_tokens: int
    tokens: int
    ttft_s: float | None
    tokens_per_second: float | None
    duration_s: float | None
    cost_usd: float | None

    @classmethod
    def of(cls, target: str, part: Literal["plan", "step", "answer"], answer: AnswerProgress) -> CallFigures:
        loading = length_s(loads_of(answer))
        return cls(
            target=target,
            part=part,
            has_failed=answer.state == "failed",
            is_done=answer.state == "done",
            prompt_tokens=answer.prompt_tokens,
            tokens=answer.tokens,
            ttft_s=None if answer.ttft_s is None else max(0.0, answer.ttft_s - loading),
            tokens_per_second=answer.tokens_per_second,
            duration_s=None if answer.duration_s is None else max(0.0, answer.duration_s - loading),
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
        yield CallFigures.of(run.options.router_model, "plan", attempt.progress)
    for step in all_steps(run):
        for one in step.attempts:
            yield CallFigures.of(one.target, "step", one.progress)
    if run.aggregate is not None:
        yield CallFigures.of(run.options.aggregator_model, "answer", run.aggregate)
