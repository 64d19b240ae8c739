from __future__ import annotations

import pytest

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.company import Company
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanningAttempt, PlanOptions, PlanRun
from multi_llm_comparator.plans.step_run import Attempt, StepRun
from multi_llm_comparator.plans.step_samples import StepSample, samples_of, written_plans
from tests.support.scripted_source import ScriptedSource

OPTIONS = PlanOptions(executor=ExecutorOptions(small_model="small", large_model="large"), router_model="planner")
PARTS = tuple(Company.__dataclass_fields__)


def answered(step_id: str, start: float, first: float, end: float, *, target: str = "small", **more: object) -> StepRun:
    figures = {"prompt_tokens": 20, "tokens": 5, **more}
    progress = AnswerProgress(
        requested_at=start, state="done", first_token_at=first, last_token_at=end, ended_at=end, **figures
    )
    step = Step(step_id, f"task {step_id}", 1, 64)
    return StepRun(step, "done", 0.0, start, start, end, [Attempt(target, "p", progress)], "x")


def solved(*steps: StepRun, planner_until: float | None = None, **planner: object) -> PlanRun:
    run = PlanRun(ScriptedSource(), "q", OPTIONS, run_id="r")
    run.created_at = 0.0
    run.plan, run.steps = Plan(tuple(s.step for s in steps)), {s.step.id: s for s in steps}
    if planner_until is not None:
        run.planning = [PlanningAttempt((), AnswerProgress(requested_at=0.0, ended_at=planner_until, **planner))]
    return run


def samples(*steps: StepRun, planner_until: float | None = None) -> dict[str, StepSample]:
    found = samples_of(solved(*steps, planner_until=planner_until))
    return {sample.answer.task.removeprefix("task "): sample for sample in found}


def beside(phase: object) -> dict[str, float]:
    """The seconds that each part of the company was there, without those that were not."""
    return {name: pytest.approx(s) for name, s in zip(PARTS, phase.beside, strict=True) if s}  # type: ignore[attr-defined]


def test_a_step_alone_read_until_its_first_token_and_wrote_the_rest():
    one = samples(answered("a", 1.0, 1.5, 4.0))["a"]
    assert (one.reading.seconds, one.writing.seconds, one.duration_s) == (0.5, 2.5, 3.0)
    assert beside(one.reading) == beside(one.writing) == {}


def test_loading_is_left_out():
    one = samples(answered("a", 1.0, 4.5, 6.0, load_s=3.0, started_at=4.0))["a"]
    assert (one.reading.seconds, one.writing.seconds) == (0.5, 1.5)


def test_a_step_that_came_while_its_model_was_being_loaded_waited_only_for_the_rest_of_that():
    one = samples(answered("a", 3.0, 4.5, 6.0, load_s=3.0, started_at=4.0))["a"]
    assert (one.reading.seconds, one.writing.seconds) == (0.5, 1.5)


def test_a_step_waits_for_those_that_came_before_it_and_halts_them_while_it_reads():
    both = samples(answered("a", 0.0, 1.0, 5.0), answered("b", 0.5, 2.0, 4.0))
    assert beside(both["a"].reading) == {}
    # While b reads, and while it writes.
    assert beside(both["a"].writing) == {"reading": 1.0, "writing": 2.0}
    # Half a second of it waiting; a writes for the rest of it.
    assert beside(both["b"].reading) == {"reading": 0.5, "writing": 1.0}
    assert beside(both["b"].writing) == {"writing": 2.0}


def test_of_two_that_came_together_whoever_had_read_first_was_first():
    both = samples(answered("a", 0.0, 2.0, 3.0), answered("b", 0.0, 1.0, 3.0))
    assert beside(both["a"].reading) == {"reading": 1.0, "writing": 1.0}
    assert beside(both["b"].reading) == {}


def test_other_models_and_the_planner_are_company_of_their_own_kind():
    both = samples(answered("a", 2.0, 3.0, 8.0), answered("b", 2.0, 4.0, 6.0, target="large"), planner_until=5.0)
    assert beside(both["a"].reading) == {"others_reading": 1.0, "planning": 1.0}
    assert beside(both["a"].writing) == {"others_reading": 1.0, "others_writing": 2.0, "planning": 2.0}


def test_what_was_in_memory_is_not_read_but_looked_back_at():
    one = samples(answered("a", 0.0, 1.0, 2.0, prompt_tokens=50, cached_tokens=40))["a"]
    assert (one.answer.read_tokens, one.answer.prompt_tokens) == (10, 50)


def test_a_plan_was_written_beside_each_model_that_solved_steps_meanwhile():
    steps = [answered("a", 3.0, 3.5, 5.0), answered("b", 4.0, 4.5, 6.0)]
    steps += [answered("c", 5.0, 6.0, 12.0, target="large"), StepRun(Step("d", "{1}, {2}", 1, 9), "done", answer="x")]
    (plan,) = written_plans(solved(*steps, planner_until=10.0, state="done", tokens=90, loading_at=0.0, load_s=1.0))
    # From 3 s to 6 s the small model, from 5 s to the planner's end the large one.
    assert (plan.tokens, plan.duration_s, plan.beside_s) == (90, pytest.approx(9.0), pytest.approx(3.0 + 5.0))


def test_a_plan_tells_nothing_that_was_written_while_a_model_was_loaded():
    planner = {"planner_until": 10.0, "state": "done", "tokens": 90}
    before, beside = ({"loading_at": at, "started_at": at + 2, "load_s": 2.0} for at in (-3.0, 4.0))
    assert len(list(written_plans(solved(answered("a", 3.0, 6.5, 7.0, **before), **planner)))) == 1
    assert list(written_plans(solved(answered("a", 3.0, 6.5, 7.0, **beside), **planner))) == []
