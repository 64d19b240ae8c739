"""What a run should take, beside what it took."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.outlook import Key, LargeAlone, Outlook, Prediction, Profile, Profiles
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.step_run import StepAttempt, StepRun
from multi_llm_comparator.prediction.outlook import outlook_of
from tests.support.scripted_source import ScriptedSource

OPTIONS = PlanOptions(
    executor=ExecutorOptions(small_model="m", large_model="m"), router_model="m", aggregation="last_step"
)
PLAN = Plan((Step("1", "one", 1, 4), Step("2", "two", 1, 4, ("1",))))
# Steps of four tokens take four seconds, plans of 200 take ten.
STEPS = Profile(1.0, 1.0, answers=7)
PLANS = Profile(0.05, 20.0)
PROFILES: dict[Key, Profile] = {("m", "step"): STEPS, ("m", "plan"): PLANS}


def step_run(step: Step, start: float, **more: Any) -> StepRun:
    progress = AnswerProgress(requested_at=start, ended_at=start + 4, state="done", tokens=4, **more)
    return StepRun(step, "done", start, start, start, start + 4, [StepAttempt("m", "p", progress)], "x")


def planned(**attempt: Any) -> PlanRun:
    """A plan of two steps, one after the other, that was written from 0 s to 9 s; the run ended at 13 s."""
    run = PlanRun(ScriptedSource(), "q", OPTIONS, run_id="r")
    run.created_at, run.ended_at, run.state, run.plan, run.answer = 0.0, 13.0, "done", PLAN, "x"
    progress = AnswerProgress(requested_at=0.0, started_at=0.0, first_token_at=0.1, ended_at=9.0, tokens=200)
    run.planning = [PlanningAttempt((), progress, **attempt)]
    run.steps = {step.id: step_run(step, at) for step, at in zip(PLAN.steps, (4.5, 9.0), strict=True)}
    return run


def predicted(run: PlanRun, profiles: Profiles = PROFILES) -> Prediction:
    prediction = outlook_of(run, profiles).prediction
    assert prediction is not None
    return prediction


def test_planner_and_steps_are_predicted_from_the_question_to_the_end() -> None:
    prediction = predicted(planned())
    written = len(PLAN.steps[0].to_xml()) / sum(len(step.to_xml()) for step in PLAN.steps)
    assert [s.start_s for s in prediction.schedule.steps] == [pytest.approx(10 * written, rel=0.02), pytest.approx(10)]
    assert (prediction.planning_s, prediction.total_s) == (pytest.approx(10), pytest.approx(14))
    assert prediction.critical_path_s == pytest.approx(14)
    assert (prediction.actual_s, prediction.error) == (13.0, pytest.approx(14 / 13 - 1))


def test_a_plan_that_was_given_needs_no_planner() -> None:
    run = planned()
    run.planning = []
    prediction = predicted(run, {("m", "step"): STEPS})
    assert (prediction.planning_s, prediction.total_s) == (None, 8.0)
    assert prediction.outlines == {("step", "1"): (0.0, 4.0), ("step", "2"): (4.0, 8.0)}


def test_loading_and_pauses_are_in_neither_of_both() -> None:
    run = planned()
    loaded: dict[str, Any] = {"loading_at": 0.0, "load_s": 5.0, "started_at": 5.0, "first_token_at": 5.1}
    run.planning[0].progress = replace(run.planning[0].progress, ended_at=14.0, **loaded)
    run.pauses, run.ended_at = [(14.0, 1014.0)], 1018.0
    run.steps = {step.id: step_run(step, at) for step, at in zip(PLAN.steps, (9.5, 1014.0), strict=True)}
    assert (predicted(run).total_s, predicted(run).actual_s) == (pytest.approx(14.0), 13.0)


def test_the_aggregation_is_predicted_by_earlier_ones_within_its_budget() -> None:
    run = planned()
    run.options = replace(OPTIONS, aggregation="model")
    run.aggregate = AnswerProgress(requested_at=13.0, ended_at=15.0, state="done", tokens=2)
    run.ended_at = 15.0
    prediction = predicted(run, {**PROFILES, ("m", "answer"): Profile(0.5, 2.0, tokens=5.0)})
    assert (prediction.answer_s, prediction.total_s, prediction.actual_s) == (2.5, pytest.approx(16.5), 15.0)
    assert prediction.critical_path_s == pytest.approx(16.5)
    assert prediction.outlines["answer", ""] == (pytest.approx(14.0), pytest.approx(16.5))


def test_what_the_planner_thought_before_delays_the_steps() -> None:
    thinking = "x" * sum(len(step.to_xml()) for step in PLAN.steps)
    half = predicted(planned()).schedule.steps[0].start_s / 2
    assert predicted(planned(thinking=thinking)).schedule.steps[0].start_s == pytest.approx(5 + half, rel=0.02)


def test_a_plan_that_was_asked_for_again_should_have_been_written_once() -> None:
    run = planned()
    run.planning.insert(0, PlanningAttempt((), AnswerProgress(requested_at=0.0, ended_at=4.0), error="no XML"))
    assert predicted(run).total_s == pytest.approx(14.0)


def test_a_step_that_only_joins_answers_needs_no_model_and_no_time() -> None:
    run = planned()
    run.planning = []
    run.plan = Plan((*PLAN.steps, Step("3", "{1}, {2}", 9, 100, ("1", "2"))))
    run.options = replace(OPTIONS, executor=replace(OPTIONS.executor, large_model="of no earlier run"))
    run.steps["3"] = StepRun(run.plan.steps[2], "done", answer="x, x")
    assert predicted(run).total_s == 8.0


def test_what_no_other_run_tells_of_is_named_and_nothing_is_predicted() -> None:
    run = planned()
    assert outlook_of(run, {}) == Outlook(None, None, ("m",))
    run.options = replace(OPTIONS, router_model="planner")
    run.planning[0].progress.tokens = 200
    assert outlook_of(run, PROFILES).unknown == ("planner",)
    run.options = replace(OPTIONS, aggregation="model", aggregator="editor")
    assert (outlook_of(run, PROFILES).prediction, outlook_of(run, PROFILES).unknown) == (None, ("editor",))


def test_before_there_is_a_plan_and_where_the_question_was_asked_directly_nothing_is_predicted() -> None:
    run = planned()
    run.plan_is_direct = True
    assert outlook_of(run, PROFILES).prediction is None
    run.plan_is_direct, run.plan = False, None
    assert (outlook_of(run, PROFILES).prediction, outlook_of(run, PROFILES).unknown) == (None, ())


def test_a_run_that_failed_has_nothing_to_be_compared_with() -> None:
    run = planned()
    run.state = "failed"
    run.steps["2"].state = "failed"
    assert (predicted(run).actual_s, predicted(run).error) == (None, None)


def test_the_large_model_alone_writes_what_the_steps_wrote_by_its_profile() -> None:
    # A second to the first of eight tokens, and a second for each other.
    alone = outlook_of(planned(), PROFILES).alone
    assert alone is not None and replace(alone, seconds=8.0) == LargeAlone("m", 8.0, 8, 7)
    assert alone.seconds == pytest.approx(8.0)
    unfinished = planned()
    unfinished.state = "running"
    assert outlook_of(unfinished, PROFILES).alone is None
    failed = planned()
    for step in failed.steps.values():
        step.state = "failed"
    assert outlook_of(failed, PROFILES).alone is None
