from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanOptions, PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.planning_pace import PlanningPace
from multi_llm_comparator.plans.prediction import LargeAlone, Outlook, Prediction, outlook_of, predict
from multi_llm_comparator.plans.step_run import Attempt, StepRun
from multi_llm_comparator.plans.theory import ModelProfile
from tests.support.scripted_source import ScriptedSource

OPTIONS = PlanOptions(
    executor=ExecutorOptions(small_model="m", large_model="m"), router_model="m", aggregation="last_step"
)
PLAN = Plan((Step("1", "one", 1, 3), Step("2", "two", 1, 3, ("1",))))
# Steps of three tokens take three seconds, plans of 200 take ten.
PROFILES = {"m": ModelProfile(1.0, 1.0, planning=PlanningPace(0.0, 0.05), answer_s=2.5, answers=7)}


def step_run(step: Step, start: float, **more: Any) -> StepRun:
    progress = AnswerProgress(requested_at=start, ended_at=start + 4, state="done", tokens=3, **more)
    return StepRun(step, "done", start, start, start, start + 4, [Attempt("m", "p", progress)], "x")


def planned(**attempt: Any) -> PlanRun:
    """A plan of two steps, one after the other, that was written from 0 s to 9 s; the run ended at 13 s."""
    run = PlanRun(ScriptedSource(), "q", OPTIONS, run_id="r")
    run.created_at, run.ended_at, run.state, run.plan, run.answer = 0.0, 13.0, "done", PLAN, "x"
    progress = AnswerProgress(requested_at=0.0, started_at=0.0, first_token_at=0.1, ended_at=9.0, tokens=200)
    run.planning = [PlanningAttempt((), progress, **attempt)]
    run.steps = {step.id: step_run(step, at) for step, at in zip(PLAN.steps, (4.5, 9.0), strict=True)}
    return run


def predicted(run: PlanRun, profiles: Mapping[str, ModelProfile] = PROFILES) -> Prediction:
    prediction = predict(run, profiles)
    assert prediction is not None
    return prediction


def test_the_planner_is_predicted_by_its_earlier_plans_and_all_is_from_the_question_to_the_end():
    prediction = predicted(planned())
    # 200 tokens at 0.05 s, half of them for each step, and three seconds for a step.
    assert prediction.planner is not None and prediction.planner.end_s == pytest.approx(10.0)
    written = len(PLAN.steps[0].to_xml()) / sum(len(step.to_xml()) for step in PLAN.steps)
    assert [s.start_s for s in prediction.schedule.steps] == [pytest.approx(10 * written), pytest.approx(10.0)]
    assert (prediction.total_s, prediction.actual_s) == (pytest.approx(13.0), 13.0)
    assert prediction.critical_path_s == pytest.approx(13.0)
    assert prediction.error == pytest.approx(0.0)


def test_loading_and_pauses_are_in_neither_of_both():
    run = planned()
    run.planning[0].progress.ended_at = 29.0
    loaded = {"loading_at": 0.0, "load_s": 5.0, "started_at": 5.0, "first_token_at": 5.1}
    run.planning[0].progress = replace(run.planning[0].progress, ended_at=14.0, **loaded)
    run.pauses, run.ended_at = [(14.0, 1014.0)], 1018.0
    run.steps = {step.id: step_run(step, at) for step, at in zip(PLAN.steps, (9.5, 1014.0), strict=True)}
    prediction = predicted(run)
    assert (prediction.total_s, prediction.actual_s) == (pytest.approx(13.0), 13.0)


def test_putting_the_answers_together_is_predicted_as_it_was_before():
    run = planned()
    run.options = replace(OPTIONS, aggregation="model")
    run.aggregate = AnswerProgress(requested_at=13.0, ended_at=15.0, state="done", tokens=2)
    run.ended_at = 15.0
    prediction = predicted(run)
    assert (prediction.answer_s, prediction.total_s, prediction.actual_s) == (2.5, pytest.approx(15.5), 15.0)
    assert prediction.critical_path_s == pytest.approx(15.5)


def test_steps_that_are_solved_while_the_planner_writes_hold_it_up():
    run = planned()
    run.plan = Plan((Step("1", "one", 1, 3), Step("2", "two", 1, 3)))
    known = ModelProfile(1.0, 1.0, planning=PlanningPace(0.0, 0.05, lost_beside=0.5), answer_s=0.0)
    prediction = predicted(run, {"m": known})
    # From 5 s to 8 s the first step is solved, which costs the planner half of that time.
    assert prediction.planner is not None
    assert [s.start_s for s in prediction.schedule.steps] == [pytest.approx(5.0), pytest.approx(11.5)]
    assert prediction.planner.end_s == pytest.approx(11.5)


def test_what_the_planner_thought_before_delays_the_steps():
    half = 10 * len(PLAN.steps[0].to_xml()) / sum(len(step.to_xml()) for step in PLAN.steps) / 2
    thinking = "x" * sum(len(step.to_xml()) for step in PLAN.steps)
    assert predicted(planned(thinking=thinking)).schedule.steps[0].start_s == pytest.approx(5 + half)


def test_a_plan_that_was_asked_for_again_should_have_been_written_once():
    run = planned()
    run.planning.insert(0, PlanningAttempt((), AnswerProgress(requested_at=0.0, ended_at=4.0), error="no XML"))
    assert predicted(run).total_s == pytest.approx(13.0)


def test_what_no_other_run_tells_of_is_named_and_not_predicted():
    run = planned()
    assert outlook_of(run, {}) == Outlook(None, None, ("m",))
    planner_unknown = {"m": replace(PROFILES["m"], planning=None)}
    assert (predict(run, planner_unknown), outlook_of(run, planner_unknown).unknown) == (None, ("m",))
    run.options = replace(OPTIONS, aggregation="model")
    assert predict(run, {"m": replace(PROFILES["m"], answer_s=None)}) is None


def test_a_run_that_failed_has_nothing_to_be_compared_with():
    run = planned()
    run.state = "failed"
    run.steps["2"].state = "failed"
    assert (predicted(run).actual_s, predicted(run).error) == (None, None)


def test_the_large_model_alone_writes_what_the_steps_wrote_by_its_profile():
    alone = outlook_of(planned(), PROFILES).alone
    # A second to the first of six tokens, and a second for each other.
    assert alone == LargeAlone("m", pytest.approx(6.0), 6, 7)
    unfinished = planned()
    unfinished.state = "running"
    assert outlook_of(unfinished, PROFILES).alone is None
    failed = planned()
    for step in failed.steps.values():
        step.state = "failed"
    assert outlook_of(failed, PROFILES).alone is None
