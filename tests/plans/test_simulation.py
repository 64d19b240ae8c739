"""Steps that run together slow each other down, in theory as in life."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.plans.company import Slowdown
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.prompt_lengths import PromptLengths
from multi_llm_comparator.plans.simulation import Background
from multi_llm_comparator.plans.theory import ModelProfile, schedule_plan
from tests.plans.test_parse import plans

# A token a second. Beside another that writes on the same model a step loses a third of its speed, beside another model
# or a planner half of it; and prompts are read one after the other.
PLAIN = ModelProfile(ttft_s=1.0, tokens_per_second=1.0)
PROFILE = replace(
    PLAIN,
    reading=Slowdown(reading=0.9, writing=1 / 3, others_reading=0.5, others_writing=0.5, planning=0.5),
    writing=Slowdown(reading=0.9, writing=1 / 3, others_reading=0.5, others_writing=0.5, planning=0.5),
)
BOTH = {"small": PROFILE, "large": PROFILE}


def step(step_id: str, token: int, *rely: str, difficulty: int = 1) -> Step:
    return Step(step_id, "t", difficulty, token, rely)


def target_of(one: Step) -> str:
    return "large" if one.difficulty > 5 else "small"


def ends(*steps: Step, workers: int = 9, **more) -> dict[str, float]:
    schedule = schedule_plan(Plan(steps), BOTH, target_of, workers, **more)
    return {s.step.id: pytest.approx(s.end_s) for s in schedule.steps}


def two(tokens: int, slowdown: Slowdown) -> dict[str, float]:
    """Ends of two steps that start together and only slow each other down as told."""
    profile = replace(PLAIN, reading=slowdown, writing=slowdown)
    schedule = schedule_plan(Plan((step("a", 4), step("b", tokens))), {"small": profile}, target_of, 9)
    return {s.step.id: pytest.approx(s.end_s) for s in schedule.steps}


def test_two_steps_on_one_model_slow_each_other_down_while_both_write():
    # Both have read at 1 s, and write at two thirds of the speed until a is done at 5.5 s; b has 2 of 5 seconds left.
    assert two(6, Slowdown(writing=1 / 3)) == {"a": 5.5, "b": 7.5}


def test_prompts_are_read_one_after_the_other_where_an_engine_does_that():
    # One has read at 1 s, and the other, which has done a tenth of its reading by then, at 1.9 s; until then the first
    # one hardly writes.
    assert two(6, Slowdown(reading=0.9)) == {"a": 4.81, "b": 6.9}


def test_prompts_are_read_at_once_where_an_endpoint_does_that():
    assert two(6, Slowdown()) == {"a": 4.0, "b": 6.0}


def test_a_short_prompt_does_not_wait_for_a_long_one_at_an_endpoint():
    lengths = PromptLengths("read_tokens", 0, 1, 0)
    profile = replace(PLAIN, ttft_s=0.0, s_per_read_token=1.0, read=lengths)
    plan = Plan((Step("a", "a long task", 1, 9), Step("b", "short", 1, 2)))
    first = {s.step.id: s.first_s for s in schedule_plan(plan, {"small": profile}, target_of, 9).steps}
    assert first == {"a": pytest.approx(11.0), "b": pytest.approx(5.0)}


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
    profile = replace(PROFILE, read=PromptLengths("read_tokens", 5, 0, 1), read_tokens=5.0, s_per_read_token=0.1)
    plan = Plan((step("a", 10), step("b", 10, "a")))
    first, second = schedule_plan(plan, {"small": profile}, target_of, 9).steps
    assert second.end_s - second.start_s == pytest.approx(first.end_s - first.start_s + 1.0)


@settings(max_examples=60, deadline=None)
@given(plans(), st.integers(1, 4), st.lists(st.floats(0, 1), min_size=10, max_size=10))
def test_a_slower_machine_keeps_the_order_and_no_step_ends_sooner_than_alone(plan, workers, lost):
    slow = dict.fromkeys(BOTH, replace(PLAIN, reading=Slowdown(*lost[:5]), writing=Slowdown(*lost[5:])))
    schedule = schedule_plan(plan, slow, target_of, workers)
    end = {s.step.id: s.end_s for s in schedule.steps}
    for one in schedule.steps:
        assert all(end[needed] <= one.start_s for needed in one.step.rely)
        assert one.end_s - one.start_s >= one.step.token - 1e-6
