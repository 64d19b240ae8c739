"""What the prediction benchmark runs are real plans, and its errors mean what they say."""

from __future__ import annotations

import pytest

from benchmarks.prediction import QUESTIONS, Job, Outcome, figures_of, jobs
from benchmarks.prediction_plans import hand_made_plans


def test_the_plans_are_valid_and_of_two_to_eight_steps():
    plans = hand_made_plans()
    for plan in plans:
        plan.validate()
    assert {len(plan.steps) for plan in plans} == set(range(2, 9))
    assert len(set(plans)) == len(plans) == 20


def test_questions_their_plans_and_hand_made_plans_are_run_side_by_side():
    everything = jobs()
    assert len({job.id for job in everything}) == len(everything) == 2 * QUESTIONS + 20
    asked, given = everything[:QUESTIONS], everything[QUESTIONS : 2 * QUESTIONS]
    assert [job.question for job in asked] == [job.question for job in given]
    assert all(job.plan is None for job in asked)
    for job in given:
        job.plan.validate()


def test_errors_are_shares_of_what_a_run_took():
    plan = hand_made_plans()[0]
    hand = Job("hand 0", "a plan", plan)
    outcomes = [Outcome(hand, 2.0, known=1.9, new=3.0), Outcome(hand, 4.0, known=4.2, new=6.0)]
    outcomes += [Outcome(Job("asked 0", "How many?"), 1.0, known=1.0, new=1.0)] * 2
    outcomes += [Outcome(Job("given 0", "How many?", plan), 1.0, known=1.1, new=1.0)] * 2
    figures = {figure.id: figure for figure in figures_of("gguf", outcomes)}
    assert (figures["gguf-asked-median"].value, figures["gguf-asked-median"].peer) == (0.0, 0.0)
    assert figures["gguf-given-median"].value == pytest.approx(10.0)
    single, new = figures["gguf-hand-median"], figures["gguf-hand-new-median"]
    assert (single.value, new.value) == (pytest.approx(5.0), pytest.approx(50.0))
    # The median of both runs is off by a half and by a quarter.
    assert single.peer == pytest.approx(37.5)
    assert single.met and not new.met
    assert figures["gguf-hand-p90"].value >= single.value
    # 3.05 s were predicted as a rule, and 3 s were taken.
    typical = figures["gguf-hand-typical"]
    assert (typical.value, typical.peer) == (pytest.approx(100 * 0.05 / 3), None)


def test_of_questions_on_the_page_only_what_it_shows_is_judged():
    page = Job("page 0", "How many?")
    figures = figures_of("gguf", [Outcome(page, 1.0, known=1.2, new=None)] * 2)
    assert [figure.id for figure in figures] == ["gguf-page-median", "gguf-page-typical", "gguf-page-p90"]
    assert figures[0].value == pytest.approx(20.0)


def test_the_first_questions_of_a_fresh_workbench_are_judged_apart():
    first = [Outcome(Job(f"first {n}", "How many?"), 1.0, known=1.0 + n / 10, new=None) for n in range(1, 4)]
    (figure,) = figures_of("gguf", first)
    assert (figure.id, figure.value, figure.met) == ("gguf-page-first-median", pytest.approx(20.0), None)
