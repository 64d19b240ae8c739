"""What the prediction benchmark runs are real plans, and its errors mean what they say."""

from __future__ import annotations

import pytest

from benchmarks.prediction import Outcome, figures_of
from benchmarks.prediction_plans import given_plans


def test_the_plans_are_valid_and_ask_both_models() -> None:
    plans = given_plans()
    for plan in plans:
        plan.validate()
        assert {step.difficulty >= 5 for step in plan.steps} == {True, False}
    assert len(set(plans)) == len(plans)


def test_errors_are_shares_of_what_a_run_took() -> None:
    outcomes = [Outcome(0, True, 2.0, 3.0), Outcome(0, False, 2.0, 2.1), Outcome(0, False, 4.0, 4.4)]
    figures = {figure.id: figure for figure in figures_of(outcomes, "Q8_0")}
    assert (figures["median"].value, figures["median"].peer) == (pytest.approx(10), pytest.approx(0))
    assert figures["new-median"].value == pytest.approx(50)
    assert (figures["median"].wanted, figures["median"].met) == (pytest.approx(20), True)
    assert "3 runs of 2 s" in figures["median"].name


def test_without_a_new_plan_none_is_quoted() -> None:
    assert {f.id for f in figures_of([Outcome(0, False, 1.0, 1.0)], "Q8_0")} == {"median", "p90"}
