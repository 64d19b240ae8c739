from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.theory import ModelProfile, critical_path, schedule_plan
from tests.plans.test_parse import plans

# One token per second and nothing before it: a step's budget is its duration.
UNIT = {"m": ModelProfile(ttft_s=1.0, tokens_per_second=1.0)}


def predict(plan, workers=100, **more):
    return schedule_plan(plan, UNIT, lambda step: "m", workers, **more)


def step(step_id, token, *rely):
    return Step(step_id, "t", 1, token, rely)


DIAMOND = Plan((step("a", 2), step("b", 5, "a"), step("c", 3, "a"), step("d", 1, "b", "c")))


def test_a_diamond_takes_its_longest_chain_when_there_are_workers():
    schedule = predict(DIAMOND)
    assert schedule.makespan_s == 8
    assert schedule.critical_path == ("a", "b", "d")


def test_one_worker_does_one_step_after_the_other():
    assert predict(DIAMOND, workers=1).makespan_s == 11


def test_a_step_does_not_start_before_the_planner_has_written_it():
    schedule = predict(DIAMOND, arrivals_s={"b": 10.0})
    assert schedule.makespan_s == 16
    assert schedule.critical_path == ("b", "d")


def test_cost_counts_the_expected_tokens():
    profile = ModelProfile(0.1, 10, usd_per_token=0.01, tokens_per_answer=3)
    schedule = schedule_plan(DIAMOND, {"m": profile}, lambda s: "m", 4)
    assert schedule.usd == pytest.approx(0.01 * (2 + 3 + 3 + 1))


def brute_force(plan: Plan, workers: int) -> float:
    """The shortest possible makespan: the best over every order in which steps can be given to workers."""
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


@settings(max_examples=60, deadline=None)
@given(plans().filter(lambda p: len(p.steps) <= 6), st.integers(1, 3))
def test_a_prediction_is_possible_and_near_the_best_there_is(plan, workers):
    schedule = predict(plan, workers)
    ends = {s.step.id: s.end_s for s in schedule.steps}
    for one in schedule.steps:
        assert all(ends[n] <= one.start_s for n in one.step.rely)
    for moment in (s.start_s for s in schedule.steps):
        assert sum(s.start_s <= moment < s.end_s for s in schedule.steps) <= workers
    best = brute_force(plan, workers)
    assert best - 1e-9 <= schedule.makespan_s <= best * (2 - 1 / workers) + 1e-9


@given(plans())
def test_with_enough_workers_the_makespan_is_the_critical_path(plan):
    schedule = predict(plan, len(plan.steps))
    path, length = critical_path(plan, {s.id: float(s.token) for s in plan.steps})
    assert schedule.makespan_s == length == schedule.critical_path_s
    assert sum(plan.by_id[n].token for n in path) == pytest.approx(length)
