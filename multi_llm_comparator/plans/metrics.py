"""Figures of a plan run: per step, and for the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.timings import AnswerProgress, known_sum
from multi_llm_comparator.plans.critical_path import critical_path
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.plans.timeline import Interval, length_s, loads_of, merged, minus, stalls_of, working_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StepMetrics:
    """One step. Times in seconds, cost in US dollars; None means not known, or never came to it.

    ``loading_s`` is how long it waited for models to load; all other times leave that out. ``queued_s`` is from ready
    to a model first reading its prompt: waiting for a worker, and for the model. ``was_cut`` says that the answer ended
    for its budget of tokens.
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
    loading_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMetrics:
    """A whole run, in seconds. Only ``wall_s``, from the question to the end, has the loading of models in it.

    ``loading_s`` is what of it only went by for loading; a model that several steps wait for is loaded once.
    ``work_s`` is the sum of the times of the steps that have an answer, ``steps_s`` the time in which at least one of
    those was at work, and ``speed_up`` the one over the other: how many were at work at once. None where no step has
    an answer.
    ``critical_path`` are the steps of the chain that no more workers could have shortened. ``critical_path_s`` is its
    length with all that is on it: the planner until it had written the first of them (``critical_planning_s``), what
    each step took, and the aggregation (``answer_s``).
    ``share_small`` and ``share_large`` are parts of all tokens that steps generated.
    """

    wall_s: float | None
    planning_s: float | None
    steps_s: float
    work_s: float
    speed_up: float | None
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
    loading_s: float = 0.0
    critical_planning_s: float = 0.0
    answer_s: float = 0.0


def step_metrics(run: StepRun) -> StepMetrics:
    """Figures of a step; those of the model are the last attempt's, tokens and cost are sums over all attempts.

    Attempts are counted as models were asked: those that the gateway made for one of ours are several.
    """
    last = run.attempts[-1].progress if run.attempts else None
    tries = [a.progress for a in run.attempts]
    begun = next((n for n, p in enumerate(tries, 1) if p.started_at is not None), 0)
    begun_at = tries[begun - 1].started_at if begun else None
    loading = [length_s(loads_of(p)) for p in tries]
    return StepMetrics(
        id=run.step.id,
        state=run.state,
        difficulty=run.step.difficulty,
        target=run.target,
        model=(last.answered_by or run.target) if last else None,
        attempts=sum(max(1, p.attempts) for p in tries),
        queued_s=_less(_span(run.ready_at, begun_at), sum(loading[:begun])),
        ttft_s=_less(last.ttft_s, loading[-1]) if last else None,
        duration_s=_less(run.duration_s, sum(loading)),
        prompt_tokens=sum(p.prompt_tokens for p in tries),
        tokens=sum(p.tokens for p in tries),
        tokens_per_second=last.tokens_per_second if last else None,
        cost_usd=known_sum(p.cost_usd for p in tries),
        was_cut=run.was_cut,
        loading_s=sum(loading),
    )


def unanswered(run: PlanRun) -> list[str]:
    """The steps that ended without an answer: what was aggregated was aggregated without them."""
    return [step_id for step_id, step in run.steps.items() if step.is_over and step.answer is None]


def run_metrics(run: PlanRun) -> RunMetrics:
    """Figures of a run, finished or at work: what has not ended counts with what it has so far."""
    plan = run.plan or Plan(tuple(s.step for s in run.steps.values()))
    steps = [step_metrics(s) for s in run.steps.values()]
    stalls = stalls_of(run)
    at_work = {step_id: _at_work(run, step, stalls) for step_id, step in run.steps.items()}
    took = {step_id: length_s(spans) for step_id, spans in at_work.items()}
    known = all(step.id in took for step in plan.steps)
    path = _critical_path(run, plan, took, stalls) if plan.steps and known else _CriticalPath((), 0.0, 0.0)
    # A plan that is still being written may need steps that are not there yet.
    is_whole = known or run.plan is not None
    spent = _everything(run)
    done = [s.id for s in steps if s.state == "done"]
    work, together = sum(took[i] for i in done), length_s(merged(span for i in done for span in at_work[i]))
    small, large = _shares(run, steps)
    answer = _answering_s(run.aggregate) if run.aggregate else 0.0
    return RunMetrics(
        wall_s=None if run.ended_at is None else working_s(run, run.created_at, run.ended_at),
        planning_s=known_sum(_answering_s(a.progress) for a in run.planning if a.progress.ended_at is not None),
        steps_s=together,
        work_s=work,
        speed_up=work / together if together else None,
        critical_path=path.steps,
        critical_path_s=path.length_s + answer,
        steps=len(plan.steps),
        done=len(done),
        depth=plan.depth if is_whole else 0,
        compression_ratio=plan.compression_ratio if is_whole else 1.0,
        mean_token=plan.mean_token,
        prompt_tokens=sum(p.prompt_tokens for p in spent),
        tokens=sum(p.tokens for p in spent),
        share_small=small,
        share_large=large,
        cost_usd=known_sum(p.cost_usd for p in spent),
        replans=max(0, len(run.planning) - 1),
        repairs=sum(len(a.repairs) for a in run.planning),
        loading_s=length_s(stalls),
        critical_planning_s=path.planning_s,
        answer_s=answer,
    )


def _everything(run: PlanRun) -> list[AnswerProgress]:
    """All that models wrote for the run: plans, all attempts at their steps, and the aggregation."""
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


def _answering_s(progress: AnswerProgress) -> float:
    """From the request to the end, without loading; 0 while it has no end."""
    return max(0.0, (progress.duration_s or 0.0) - length_s(loads_of(progress)))


def _at_work(run: PlanRun, step: StepRun, stalls: Iterable[Interval]) -> list[Interval]:
    """When a step was at work, without any model's loading and without pauses; nothing of one that has not ended."""
    if step.started_at is None or step.ended_at is None:
        return []
    own = [load for attempt in step.attempts for load in loads_of(attempt.progress)]
    return minus((step.started_at, step.ended_at), [*own, *stalls, *run.pauses])


@dataclass(frozen=True, slots=True)
class _CriticalPath:
    steps: tuple[str, ...]
    planning_s: float
    length_s: float


def _critical_path(run: PlanRun, plan: Plan, took: Mapping[str, float], stalls: Sequence[Interval]) -> _CriticalPath:
    """As it was: each step when the planner had written it, with what it took."""
    arrivals: dict[str, float] = {}
    if run.planning:
        last = run.planning[-1].progress
        # Steps of a run that is resumed arrive once more, of a plan that was there before.
        written_at = last.ended_at or now()
        arrivals = {
            i: working_s(run, run.created_at, min(s.arrived_at, written_at), stalls) for i, s in run.steps.items()
        }
    path, length = critical_path(plan, took, arrivals)
    return _CriticalPath(path, arrivals.get(path[0], 0.0) if path else 0.0, length)


def _span(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _less(seconds: float | None, loading: float) -> float | None:
    return None if seconds is None else max(0.0, seconds - loading)
