from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.metrics import run_metrics, step_metrics
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.performance import PerformanceTracker, calls_of, task_key
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.step_run import StepAttempt, StepRun
from tests.plans.test_parse import PLAN

OPTIONS = PlanOptions(executor=ExecutorOptions(small_model="small", large_model="large"), router_model="planner")


def answered(
    at: float, tokens: int, *, first: float = 0.5, speed: float = 10.0, cost: float | None = None
) -> AnswerProgress:
    last = at + first + (tokens - 1) / speed
    return AnswerProgress(
        requested_at=at,
        state="done",
        started_at=at + 0.1,
        first_token_at=at + first,
        last_token_at=last,
        ended_at=last,
        prompt_tokens=5,
        tokens=tokens,
        cost_usd=cost,
    )


def plan_of(run: PlanRun) -> Plan:
    assert run.plan is not None
    return run.plan


def solved(plan: Plan, step_id: str, target: str, start: float, tokens: int, **more: Any) -> StepRun:
    progress = answered(start, tokens, **more)
    step = StepRun(plan.by_id[step_id], "done", start, start, start, progress.ended_at, answer="x")
    step.attempts.append(StepAttempt(target, "p", progress))
    return step


@pytest.fixture
def run() -> PlanRun:
    """Two steps at once from 0 s, 1 s and 2 s long, then one of 3 s."""
    plan_run = PlanRun(None, "q", OPTIONS, run_id="r")  # type: ignore[arg-type]
    plan = plan_run.plan = parse_plan(PLAN)
    plan_run.steps = {
        "1": solved(plan, "1", "small", 0.0, 6, cost=0.01),
        "2": solved(plan, "2", "small", 0.0, 16),
        "3": solved(plan, "3", "large", 2.0, 26, cost=0.1),
    }
    plan_run.created_at, plan_run.ended_at, plan_run.state = 0.0, 5.5, "done"
    return plan_run


def test_figures_of_a_run(run: PlanRun) -> None:
    metrics = run_metrics(run)
    assert metrics.wall_s == 5.5
    assert metrics.work_s == pytest.approx(6.0)
    assert metrics.steps_s == pytest.approx(5.0)
    assert metrics.speed_up == pytest.approx(1.2)
    assert metrics.critical_path == ("2", "3")
    assert metrics.critical_path_s == pytest.approx(5.0)
    assert (metrics.steps, metrics.done, metrics.depth) == (3, 3, 2)
    assert metrics.compression_ratio == pytest.approx(2 / 3)
    assert metrics.tokens == 48
    assert metrics.share_small == pytest.approx(22 / 48)
    assert metrics.share_small + metrics.share_large == 1
    assert metrics.cost_usd == pytest.approx(0.11)


def test_figures_of_a_step_count_all_its_attempts(run: PlanRun) -> None:
    step = run.steps["1"]
    step.attempts.insert(0, StepAttempt("small", "p", AnswerProgress(requested_at=0, state="failed", tokens=4)))
    metrics = step_metrics(step)
    assert (metrics.attempts, metrics.tokens, metrics.target) == (2, 10, "small")
    assert metrics.queued_s == pytest.approx(0.1)
    assert metrics.tokens_per_second == pytest.approx(10)


def test_the_gateways_attempts_count_and_waiting_ends_when_the_first_model_reads(run: PlanRun) -> None:
    step = run.steps["1"]
    step.attempts[0].progress.attempts = 3
    early = AnswerProgress(requested_at=0.0, state="failed", started_at=0.02)
    step.attempts.insert(0, StepAttempt("small", "p", early))
    metrics = step_metrics(step)
    assert metrics.attempts == 4
    assert metrics.queued_s == pytest.approx(0.02)


def loaded(plan: Plan, step_id: str, loading: float, start: float, end: float, asked: float = 0.0) -> StepRun:
    """A step of the large model, asked at ``asked``, whose model was loaded from ``loading`` until ``start``."""
    progress = AnswerProgress(
        requested_at=asked, state="done", loading_at=loading, load_s=start - loading, started_at=start,
        first_token_at=start + 0.1, last_token_at=end, ended_at=end, tokens=5,
    )  # fmt: skip
    step = StepRun(plan.by_id[step_id], "done", asked, asked, asked, end, answer="x")
    step.attempts.append(StepAttempt("large", "p", progress))
    return step


def test_a_model_that_is_loaded_once_counts_once_and_in_no_sum(run: PlanRun) -> None:
    # Both steps wait for one load from 0 s to 10 s, and the wall time has it.
    run.steps["1"], run.steps["2"] = (loaded(plan_of(run), i, 0.0, 10.0, end) for i, end in (("1", 11.0), ("2", 12.0)))
    run.steps["3"] = solved(plan_of(run), "3", "large", 12.0, 26)
    run.ended_at = 15.0
    metrics = run_metrics(run)
    assert (metrics.wall_s, metrics.loading_s) == (15.0, 10.0)
    assert metrics.work_s == pytest.approx(1.0 + 2.0 + 3.0)
    assert metrics.steps_s == pytest.approx(5.0)
    assert metrics.speed_up == pytest.approx(1.2)
    assert metrics.critical_path_s == pytest.approx(5.0)
    tracker = PerformanceTracker()
    tracker.track(run)
    assert tracker.models()["large"].busy_s == pytest.approx(6.0)
    assert tracker.models()["large"].ttft_s == pytest.approx(0.1)
    step = step_metrics(run.steps["2"])
    assert (step.loading_s, step.duration_s, step.ttft_s, step.queued_s) == (10.0, 2.0, pytest.approx(0.1), 0.0)


def test_time_in_which_others_are_at_work_is_not_lost_to_loading(run: PlanRun) -> None:
    # The large model is loaded from 0 s to 10 s; until 2 s the small one is at work.
    run.steps["2"] = loaded(plan_of(run), "2", 0.0, 10.0, 12.0)
    run.steps["1"], run.steps["3"] = (
        solved(plan_of(run), "1", "small", 0.0, 16),
        solved(plan_of(run), "3", "large", 12.0, 26),
    )
    run.ended_at = 15.0
    metrics = run_metrics(run)
    assert metrics.loading_s == pytest.approx(8.1)
    # Nor is the tenth of a second in which the small model, too, had not begun to read.
    assert (metrics.work_s, metrics.steps_s) == (pytest.approx(1.9 + 2.0 + 3.0), pytest.approx(6.9))
    assert metrics.speed_up == pytest.approx(1.0)


def test_the_critical_path_has_the_planner_and_ends_where_the_run_ends(run: PlanRun) -> None:
    run.planning = [PlanningAttempt((), answered(0.0, 36, speed=10.0))]
    # Each step arrives later: the first after 1 s, the last with the end of the plan, at 4 s.
    starts = {"1": (1.0, "small", 6), "2": (2.0, "small", 6), "3": (4.0, "large", 26)}
    run.steps = {i: solved(plan_of(run), i, target, at, tokens) for i, (at, target, tokens) in starts.items()}
    run.aggregate = answered(7.0, 16)
    run.ended_at = 9.0
    metrics = run_metrics(run)
    assert metrics.critical_path == ("3",)
    assert (metrics.critical_planning_s, metrics.answer_s) == (pytest.approx(4.0), pytest.approx(2.0))
    assert metrics.critical_path_s == pytest.approx(metrics.wall_s) == pytest.approx(9.0)


def test_a_plan_all_of_whose_steps_failed_has_no_speed_up(run: PlanRun) -> None:
    for step in run.steps.values():
        step.state, step.answer = "failed", None
    metrics = run_metrics(run)
    assert (metrics.work_s, metrics.steps_s, metrics.speed_up) == (0.0, 0.0, None)


def test_while_all_steps_wait_for_the_planner_nothing_is_gained_and_nothing_lost(run: PlanRun) -> None:
    for step_id, at in (("1", 0.0), ("2", 10.0), ("3", 20.0)):
        run.steps[step_id] = solved(plan_of(run), step_id, "small", at, 16)
    assert run_metrics(run).speed_up == pytest.approx(1.0)


def test_a_run_that_has_not_begun_has_figures_too() -> None:
    metrics = run_metrics(PlanRun(None, "q", OPTIONS, run_id="r"))  # type: ignore[arg-type]
    assert (metrics.steps, metrics.tokens, metrics.wall_s) == (0, 0, None)


def test_the_tracker_adds_up_by_model(run: PlanRun) -> None:
    tracker = PerformanceTracker()
    tracker.track(run)
    tracker.track(run)
    small = tracker.models()["small"]
    assert (small.calls, small.tokens, small.failures) == (4, 44, 0)
    assert small.ttft_s == pytest.approx(0.5)
    assert tracker.mean("speed_up") == pytest.approx(1.2)
    assert len(tracker.runs) == 2


def test_what_was_written_while_another_model_was_loaded_is_not_plain(run: PlanRun) -> None:
    assert {call.is_plain for call in calls_of(run)} == {True}
    # Of the steps that follow each other only the first meets the loading, which ends at 1 s.
    run.steps["2"] = solved(plan_of(run), "2", "small", 1.0, 6)
    run.steps["3"] = loaded(plan_of(run), "3", 0.2, 1.0, 3.0)
    assert [(call.task == task_key(plan_of(run).by_id["1"]), call.is_plain) for call in calls_of(run)] == [
        (True, False),
        (False, True),
        (False, True),
    ]
