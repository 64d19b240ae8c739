"""What earlier answers tell of a model."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from multi_llm_comparator.plans.performance import CallFigures, task_key
from multi_llm_comparator.plans.plan import Step
from multi_llm_comparator.prediction.profiles import profile_of, profiles_of

CALL = CallFigures("m", "step", False, True, False, 5, 11, 0.5, 10.0, 1.5, None)


def test_a_profile_is_made_of_medians_so_that_one_slow_answer_says_little() -> None:
    slow = replace(CALL, ttft_s=60.0, tokens_per_second=0.1, tokens=11)
    profile = profiles_of([CALL, slow, CALL])["m", "step"]
    assert (profile.ttft_s, profile.tokens_per_second, profile.tokens, profile.answers) == (0.5, 10.0, 11.0, 3)
    assert profile.seconds(11) == pytest.approx(1.5)


def test_the_first_token_is_all_that_an_answer_of_one_token_takes() -> None:
    profile = profiles_of([replace(CALL, tokens=1, tokens_per_second=None)])["m", "step"]
    assert (profile.tokens_per_second, profile.seconds(1), profile.seconds(0)) == (inf, 0.5, 0.5)


def test_plans_steps_and_aggregations_of_one_model_are_told_apart() -> None:
    profiles = profiles_of([CALL, replace(CALL, part="plan", tokens=200)])
    assert {key: p.tokens for key, p in profiles.items()} == {("m", "step"): 11.0, ("m", "plan"): 200.0}


def test_an_answer_is_as_long_as_usual_within_its_budget() -> None:
    known = profiles_of([CALL, replace(CALL, tokens=31), replace(CALL, tokens=21)])["m", "step"]
    assert (known.usual_s(100), known.usual_s(6)) == (pytest.approx(2.5), pytest.approx(1.0))


def test_a_step_takes_what_the_same_one_took_before_else_the_usual() -> None:
    same, other = Step("7", "Add.", 2, 64), Step("7", "Add.", 2, 6)
    calls = [replace(CALL, task=task_key(same), duration_s=seconds) for seconds in (4.0, 5.0, 60.0)]
    known = profiles_of(calls)["m", "step"]
    assert (known.step_s(same), known.step_s(other)) == (5.0, pytest.approx(1.0))


def test_answers_that_were_cut_would_have_been_longer() -> None:
    cut = replace(CALL, tokens=64, was_cut=True)
    known = profiles_of([cut, cut, CALL])["m", "step"]
    assert (known.tokens, known.usual_s(201)) == (inf, pytest.approx(20.5))
    assert profiles_of([cut, CALL, CALL])["m", "step"].usual_s(201) == pytest.approx(1.5)


@pytest.mark.parametrize("change", [{"is_plain": False}, {"ttft_s": None}, {"tokens": 0}])
def test_what_was_tried_again_failed_or_came_from_a_cache_tells_nothing(change: dict[str, Any]) -> None:
    assert profiles_of([replace(CALL, **change)]) == {}


def test_a_price_is_for_each_token_that_was_written() -> None:
    priced = [replace(CALL, cost_usd=0.11), replace(CALL, cost_usd=None)]
    assert profile_of(priced).usd_per_token == pytest.approx(0.11 / 22)
