from __future__ import annotations

import pytest

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanOptions, PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.prediction import Prediction, predict
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.plans.theory import ModelProfile
from tests.support.scripted_source import ScriptedSource

OPTIONS = PlanOptions(executor=ExecutorOptions(small_model="m", large_model="m"), router_model="m")
PROFILES = {"m": ModelProfile(ttft_s=1.0, tokens_per_second=1.0, beside_same=0.5)}


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
