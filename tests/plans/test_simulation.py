"""Steps that run together slow each other down, in theory as in life."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.prompt_lengths import PromptLengths
from multi_llm_comparator.plans.simulation import Background
from multi_llm_comparator.plans.theory import ModelProfile, schedule_plan
from tests.plans.test_parse import plans

# A token a second; each other step on the model makes it half as long again, another model at work twice as long.
PROFILE = ModelProfile(ttft_s=1.0, tokens_per_second=1.0, beside_same=0.5, beside_other=1.0)
BOTH = {"small": PROFILE, "large": PROFILE}


def step(step_id: str, token: int, *rely: str, difficulty: int = 1) -> Step:
    return Step(step_id, "t", difficulty, token, rely)


def target_of(one: Step) -> str:
    return "large" if one.difficulty > 5 else "small"


def ends(*steps: Step, workers: int = 9, **more) -> dict[str, float]:
    schedule = schedule_plan(Plan(steps), BOTH, target_of, workers, **more)
    return {s.step.id: pytest.approx(s.end_s) for s in schedule.steps}


def test_two_steps_on_one_model_slow_each_other_down_while_both_run():
    # Both at 1/1.5 of the speed until a is done at 6 s; b has 2 of its 6 seconds of work left then.
    assert ends(step("a", 4), step("b", 6)) == {"a": 6.0, "b": 8.0}


def test_another_model_at_work_takes_a_share_of_the_machine():
    assert ends(step("a", 4), step("b", 4, difficulty=9)) == {"a": 8.0, "b": 8.0}
    # However many steps it has.
    found = ends(step("a", 4), step("b", 8, difficulty=9), step("c", 8, difficulty=9))
    assert found["a"] == 8.0


def test_one_worker_meets_nobody():
    assert ends(step("a", 4), step("b", 6), workers=1) == {"a": 4.0, "b": 10.0}


def test_a_planner_at_work_slows_the_steps_it_has_written():
    assert ends(step("a", 4), background=[Background("large", 0.0, 4.0)]) == {"a": 6.0}
    assert ends(step("a", 4), background=[Background("small", 0.0, 3.0)]) == {"a": 5.0}


def test_what_follows_a_step_waits_for_its_answer_to_be_kept():
    slow = {"small": replace(PROFILE, handoff_s=0.5)}
    plan = Plan((step("a", 2), step("b", 3, "a")))
    schedule = schedule_plan(plan, slow, target_of, 9)
    assert [(s.start_s, s.end_s) for s in schedule.steps] == [(0.0, 2.0), (2.5, 5.5)]


def test_a_step_that_only_joins_answers_takes_no_model_and_no_time():
    plan = Plan((step("a", 4), step("b", 4, "a"), Step("c", "{a}, {b}", 9, 100, ("a", "b"))))
    schedule = schedule_plan(plan, BOTH, target_of, 9)
    assert schedule.makespan_s == 8.0


def test_long_prompts_and_quoted_answers_take_longer_to_read():
    profile = replace(PROFILE, prompts=PromptLengths(5, 0, 1), read_tokens=5.0, s_per_read_token=0.1)
    plan = Plan((step("a", 10), step("b", 10, "a")))
    first, second = schedule_plan(plan, {"small": profile}, target_of, 9).steps
    assert second.end_s - second.start_s == pytest.approx(first.end_s - first.start_s + 1.0)


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(1, 4), st.floats(0, 2), st.floats(0, 2))
def test_a_slower_machine_keeps_the_order_and_never_ends_sooner(plan, workers, same, other):
    slow = {name: replace(PROFILE, beside_same=same, beside_other=other) for name in BOTH}
    alone = {name: replace(PROFILE, beside_same=0.0, beside_other=0.0) for name in BOTH}
    schedule = schedule_plan(plan, slow, target_of, workers)
    end = {s.step.id: s.end_s for s in schedule.steps}
    for one in schedule.steps:
        assert all(end[needed] <= one.start_s for needed in one.step.rely)
        assert one.end_s - one.start_s >= alone[one.target].duration_s(alone[one.target].tokens_of(one.step)) - 1e-6
