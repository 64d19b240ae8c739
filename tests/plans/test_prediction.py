from __future__ import annotations

import pytest

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.company import Slowdown
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanOptions, PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.planning_pace import PlanningPace
from multi_llm_comparator.plans.prediction import Prediction, predict
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.plans.theory import ModelProfile
from tests.support.scripted_source import ScriptedSource

OPTIONS = PlanOptions(executor=ExecutorOptions(small_model="m", large_model="m"), router_model="m")
# Beside the planner a step takes half as long again.
BESIDE = Slowdown(writing=1 / 3)
PROFILES = {"m": ModelProfile(1.0, 1.0, reading=BESIDE, writing=BESIDE)}


def foretold(paused_s: float) -> Prediction:
    """A plan written from 0 s to 10 s, step 1 of it at 1 s; with a pause at 5 s, before step 2 is written."""
    run = PlanRun(ScriptedSource(), "q", OPTIONS, run_id="r")
    run.created_at, run.plan = 0.0, Plan((Step("1", "one", 1, 3), Step("2", "two", 1, 3)))
    if paused_s:
        run.pauses = [(5.0, 5.0 + paused_s)]
    first = AnswerProgress(requested_at=0.0, ended_at=5.0)
    again = AnswerProgress(requested_at=5.0 + paused_s, ended_at=10.0 + paused_s)
    run.planning = [PlanningAttempt((), first), PlanningAttempt((), again)]
    at = 8.0 + paused_s
    run.steps = {
        "1": StepRun(run.plan.by_id["1"], "done", arrived_at=1.0, started_at=1.0, ended_at=4.0, answer="x"),
        "2": StepRun(run.plan.by_id["2"], "done", arrived_at=at, started_at=at, ended_at=at + 4, answer="x"),
    }
    prediction = predict(run, PROFILES)
    assert prediction is not None
    return prediction


def test_a_pause_changes_nothing_in_what_is_foretold():
    whole, resumed = foretold(0.0), foretold(1000.0)
    assert resumed.schedule.steps == whole.schedule.steps
    assert resumed.error == pytest.approx(whole.error)


def planned(tokens: int = 200, **attempt: object) -> PlanRun:
    """A plan of two steps that was written from 0 s to 9 s."""
    run = PlanRun(ScriptedSource(), "q", OPTIONS, run_id="r")
    run.created_at, run.plan = 0.0, Plan((Step("1", "one", 1, 3), Step("2", "two", 1, 3)))
    progress = AnswerProgress(requested_at=0.0, ended_at=9.0, tokens=tokens)
    run.planning = [PlanningAttempt((), progress, **attempt)]  # type: ignore[arg-type]
    run.steps = {
        step.id: StepRun(step, "done", arrived_at=at, started_at=at, ended_at=at + 4, answer="x")
        for step, at in zip(run.plan.steps, (4.5, 9.0), strict=True)
    }
    return run


PLANNER_KNOWN = {"m": ModelProfile(1.0, 1.0, planning=PlanningPace(0.0, 0.05))}


def test_the_planner_is_foretold_by_its_earlier_plans():
    prediction = predict(planned(), PLANNER_KNOWN)
    assert prediction is not None
    # 200 tokens at 0.05 s, half of them for each step, and three seconds for a step.
    assert prediction.planner is not None and prediction.planner.end_s == pytest.approx(10.0)
    assert [s.start_s for s in prediction.schedule.steps] == [pytest.approx(5.0), pytest.approx(10.0)]
    assert prediction.schedule.makespan_s == pytest.approx(13.0)
    assert prediction.error == pytest.approx(0.0)


def test_steps_that_are_solved_while_the_planner_writes_hold_it_up():
    known = ModelProfile(1.0, 1.0, planning=PlanningPace(0.0, 0.05, lost_beside=0.5))
    prediction = predict(planned(), {"m": known})
    assert prediction is not None and prediction.planner is not None
    # From 5 s to 8 s the first step is solved, which costs the planner half of that time.
    assert [s.start_s for s in prediction.schedule.steps] == [pytest.approx(5.0), pytest.approx(11.5)]
    assert prediction.planner.end_s == pytest.approx(11.5)


def test_what_the_planner_thought_before_delays_the_steps():
    thinking = "x" * sum(len(step.to_xml()) for step in planned().plan.steps)  # type: ignore[union-attr]
    prediction = predict(planned(thinking=thinking), PLANNER_KNOWN)
    assert prediction is not None
    assert [s.start_s for s in prediction.schedule.steps] == [pytest.approx(7.5), pytest.approx(10.0)]


def test_a_planner_that_was_asked_again_or_is_unknown_is_taken_as_it_was():
    again = planned()
    again.planning.append(again.planning[0])
    for run, profiles in ((again, PLANNER_KNOWN), (planned(error="not XML"), PLANNER_KNOWN), (planned(), PROFILES)):
        prediction = predict(run, profiles)
        assert prediction is not None and prediction.planner is None
        assert [s.start_s for s in prediction.schedule.steps] == [4.5, 9.0]
