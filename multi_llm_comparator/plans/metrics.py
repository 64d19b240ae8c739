"""Figures of a plan run: per step, and for the whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.plans.theory import critical_path
from multi_llm_comparator.plans.timeline import working_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """One step. Times in seconds, cost in US dollars; None means not known, or never came to it.

    ``queued_s`` is from ready to a model first reading its prompt: waiting for a worker, and for the model.
    ``was_cut`` says that the answer ended for its budget of tokens.
    """

    id: str
    state: str
    difficulty: int
    target: str | None
    model: str | None
    attempts: int
    queued_s: float | None
    ttft_s: float | None
    duration_s: float | None
    prompt_tokens: int
    tokens: int
    tokens_per_second: float | None
    cost_usd: float | None
    was_cut: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetrics:
    """A whole run. ``speed_up`` is the sum of step times over the time the steps really took together.

    ``critical_path`` is the chain of steps that no more workers could have shortened, with what each really took.
    ``share_small`` and ``share_large`` are parts of all tokens that steps generated.
    """

    wall_s: float | None
    planning_s: float | None
    steps_s: float
    work_s: float
    speed_up: float
    critical_path: tuple[str, ...]
    critical_path_s: float
    steps: int
    done: int
    depth: int
    compression_ratio: float
    mean_token: float
    prompt_tokens: int
    tokens: int
    share_small: float
    share_large: float
    cost_usd: float | None
    replans: int
    repairs: int


def step_metrics(run: StepRun) -> StepMetrics:
    """Figures of a step; those of the model are the last attempt's, tokens and cost are sums over all attempts.

    Attempts are counted as models were asked: those that the gateway made for one of ours are several.
    """
    last = run.attempts[-1].progress if run.attempts else None
    tries = [a.progress for a in run.attempts]
    begun_at = next((p.started_at for p in tries if p.started_at is not None), None)
    return StepMetrics(
        id=run.step.id,
        state=run.state,
        difficulty=run.step.difficulty,
        target=run.target,
        model=(last.answered_by or run.target) if last else None,
        attempts=sum(max(1, p.attempts) for p in tries),
        queued_s=_span(run.ready_at, begun_at),
        ttft_s=last.ttft_s if last else None,
        duration_s=run.duration_s,
        prompt_tokens=sum(p.prompt_tokens for p in tries),
        tokens=sum(p.tokens for p in tries),
        tokens_per_second=last.tokens_per_second if last else None,
        cost_usd=total_cost(p.cost_usd for p in tries),
        was_cut=run.was_cut,
    )


def run_metrics(run: PlanRun) -> RunMetrics:
    """Figures of a run, finished or at work: what has not ended counts with what it has so far."""
    plan = run.plan or Plan(tuple(s.step for s in run.steps.values()))
    steps = [step_metrics(s) for s in run.steps.values()]
    durations = {s.id: s.duration_s or 0.0 for s in steps}
    known = all(step.id in durations for step in plan.steps)
    path, length = critical_path(plan, durations) if plan.steps and known else ((), 0.0)
    # A plan that is still being written may need steps that are not there yet.
    is_whole = known or run.plan is not None
    spent = _everything(run)
    work, together = sum(durations.values()), _together_s(run)
    small, large = _shares(run, steps)
    return RunMetrics(
        wall_s=None if run.ended_at is None else working_s(run, run.created_at, run.ended_at),
        planning_s=_planning_s(run),
        steps_s=together,
        work_s=work,
        speed_up=work / together if together else 1.0,
        critical_path=path,
        critical_path_s=length,
        steps=len(plan.steps),
        done=sum(s.state == "done" for s in steps),
        depth=plan.depth if is_whole else 0,
        compression_ratio=plan.compression_ratio if is_whole else 1.0,
        mean_token=plan.mean_token,
        prompt_tokens=sum(p.prompt_tokens for p in spent),
        tokens=sum(p.tokens for p in spent),
        share_small=small,
        share_large=large,
        cost_usd=total_cost(p.cost_usd for p in spent),
        replans=max(0, len(run.planning) - 1),
        repairs=sum(len(a.repairs) for a in run.planning),
    )


def total_cost(costs: Iterable[float | None]) -> float | None:
    """Sum of the costs that are known, in US dollars; None when none is."""
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known else None


def _everything(run: PlanRun) -> list[AnswerProgress]:
    """All that models wrote for the run: plans, all attempts at their steps, and the putting together."""
    spent = [attempt.progress for attempt in run.planning]
    spent += [attempt.progress for step in all_steps(run) for attempt in step.attempts]
    return spent + ([run.aggregate] if run.aggregate else [])


def all_steps(run: PlanRun) -> list[StepRun]:
    """The steps of the plan in use, and those that unusable ones had begun."""
    return [*(step for attempt in run.planning for step in attempt.begun.values()), *run.steps.values()]


def _shares(run: PlanRun, steps: list[StepMetrics]) -> tuple[float, float]:
    total = sum(s.tokens for s in steps)
    executor = run.options.executor
    if not total or executor.small_model == executor.large_model:
        return 0.0, 1.0 if total else 0.0
    small = sum(a.progress.tokens for s in run.steps.values() for a in s.attempts if a.target == executor.small_model)
    return small / total, 1 - small / total


def _planning_s(run: PlanRun) -> float | None:
    spans = [_span(a.progress.requested_at, a.progress.ended_at) for a in run.planning]
    known = [span for span in spans if span is not None]
    return sum(known) if known else None


def _together_s(run: PlanRun) -> float:
    steps = run.steps.values()
    starts = [s.started_at for s in steps if s.started_at is not None]
    ends = [s.ended_at for s in steps if s.started_at is not None and s.ended_at is not None]
    return working_s(run, min(starts), max(ends)) if starts and ends else 0.0


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start
