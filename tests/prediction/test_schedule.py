"""List scheduling: what a plan should take with so many workers."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.plans.critical_path import critical_path
from multi_llm_comparator.plans.executor import ExecutorOptions, PlanExecutor
from multi_llm_comparator.plans.outlook import Schedule
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.prediction.schedule import schedule_plan
from tests.plans.test_parse import plans
from tests.plans.test_plan_run import ByTarget

seconds = st.floats(0, 1e4)


def step(step_id: str, token: int, *rely: str) -> Step:
    """One that takes as many seconds as its budget has tokens."""
    return Step(step_id, "t", 1, token, rely)


def scheduled(plan: Plan, workers: int = 100, arrivals_s: dict[str, float] | None = None) -> Schedule:
    return schedule_plan(plan, {s.id: float(s.token) for s in plan.steps}, workers, arrivals_s)


DIAMOND = Plan((step("a", 2), step("b", 5, "a"), step("c", 3, "a"), step("d", 1, "b", "c")))


def test_a_diamond_takes_its_longest_chain_when_there_are_workers() -> None:
    schedule = scheduled(DIAMOND)
    assert (schedule.makespan_s, schedule.critical_path) == (8, ("a", "b", "d"))


def test_one_worker_does_one_step_after_the_other() -> None:
    assert scheduled(DIAMOND, workers=1).makespan_s == 11


def test_a_step_does_not_start_before_the_planner_has_written_it() -> None:
    schedule = scheduled(DIAMOND, arrivals_s={"b": 10.0})
    assert (schedule.makespan_s, schedule.critical_path) == (16, ("b", "d"))


def test_a_step_that_takes_no_time_passes_its_answer_on_at_once() -> None:
    assert scheduled(Plan((step("a", 4), step("b", 0, "a"), step("c", 2, "b"))), workers=1).makespan_s == 6


@given(plans(), st.integers(1, 4), st.data())
def test_a_schedule_is_possible_and_within_its_bounds(plan: Plan, workers: int, data: st.DataObject) -> None:
    durations = {s.id: data.draw(seconds) for s in plan.steps}
    arrivals = {s.id: data.draw(seconds) for s in plan.steps if data.draw(st.booleans())}
    schedule = schedule_plan(plan, durations, workers, arrivals)
    ends = {s.id: s.end_s for s in schedule.steps}
    for one in schedule.steps:
        assert one.end_s == one.start_s + durations[one.id]
        assert one.start_s >= max([arrivals.get(one.id, 0.0), *(ends[n] for n in plan.by_id[one.id].rely)])
        assert sum(s.start_s <= one.start_s < s.end_s for s in schedule.steps) <= workers
    path, length = critical_path(plan, durations, arrivals)
    assert (schedule.critical_path, schedule.critical_path_s) == (path, length)
    latest = max(arrivals.values(), default=0.0)
    assert length - 1e-6 <= schedule.makespan_s <= latest + sum(durations.values()) + 1e-6


@given(plans())
def test_with_enough_workers_the_makespan_is_the_longest_path(plan: Plan) -> None:
    schedule = scheduled(plan, len(plan.steps))
    assert schedule.makespan_s == schedule.critical_path_s
    assert sum(plan.by_id[n].token for n in schedule.critical_path) == pytest.approx(schedule.makespan_s)


def shortest(plan: Plan, workers: int) -> float:
    """The best makespan over every order in which steps can be given to workers."""
    best = float("inf")
    for order in itertools.permutations(plan.steps):
        ends: dict[str, float] = {}
        free = [0.0] * workers
        for one in order:
            if any(n not in ends for n in one.rely):
                break
            free.sort()
            start = max([free[0], *(ends[n] for n in one.rely)])
            ends[one.id] = free[0] = start + one.token
        else:
            best = min(best, max(ends.values()))
    return best


@settings(max_examples=40)
@given(plans().filter(lambda p: len(p.steps) <= 5), st.integers(1, 3))
def test_a_schedule_is_near_the_best_there_is(plan: Plan, workers: int) -> None:
    best = shortest(plan, workers)
    assert best - 1e-9 <= scheduled(plan, workers).makespan_s <= best * (2 - 1 / workers) + 1e-9


async def test_steps_start_in_the_order_in_which_the_executor_starts_them() -> None:
    # The chain from "late" is longer than those before it.
    plan = Plan((step("x", 3), step("y", 3), step("late", 3), step("z", 3, "late"), step("end", 3, "z", "y")))
    executor = PlanExecutor(ByTarget(m="7"), ExecutorOptions(small_model="m", large_model="m", workers=1))
    runs = await executor.execute(plan)
    solved = sorted(runs, key=lambda step_id: runs[step_id].started_at or 0.0)
    predicted = sorted(scheduled(plan, 1).steps, key=lambda s: s.start_s)
    assert [s.id for s in predicted] == solved
