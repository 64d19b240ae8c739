"""A plan run of three steps that has ended, made by hand: every second of it is known."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.step_run import StepAttempt, StepRun
from tests.support.scripted_source import ScriptedSource

STEPS = (
    Step("1", "Add.", 2, 20),
    Step("2", "Subtract.", 2, 20),
    Step("3", "Multiply {1} by {2}.", 7, 40, ("1", "2")),
)


def answer(at: float, seconds: float, **more: Any) -> AnswerProgress:
    marks = {"started_at": at + 0.1, "first_token_at": at + 0.3, "last_token_at": at + seconds}
    known = {"state": "done", "text": "7", "tokens": 5, "ended_at": at + seconds, **marks, **more}
    return AnswerProgress(requested_at=at, **known)


def done(step: Step, target: str, start: float, seconds: float, arrived: float) -> StepRun:
    attempt = StepAttempt(target, step.task, answer(start, seconds))
    return StepRun(step, "done", arrived, max(arrived, start - 0.2), start, start + seconds, [attempt], "7")


def finished_plan(options: PlanOptions) -> PlanRun:
    made = PlanRun(ScriptedSource(), "What is <b>it</b>?", options, run_id="r1")
    made.created_at, made.ended_at, made.state, made.answer = 100.0, 106.0, "done", "7 & more"
    made.plan = Plan(STEPS)
    made.planning = [PlanningAttempt((), answer(100.0, 1.0), plan=made.plan)]
    made.steps = {
        "1": done(STEPS[0], "birch", 100.6, 1.0, 100.5),
        "2": done(STEPS[1], "birch", 101.0, 2.0, 100.8),
        "3": done(STEPS[2], "cedar", 103.0, 3.0, 101.0),
    }
    return made
