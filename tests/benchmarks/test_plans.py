"""What the plan benchmark compares with does the same work, and its measures mean what they say."""

from __future__ import annotations

import asyncio

from benchmarks.plans import dispatch_lags_ms, ours, random_plan, seconds_of, timed_step, written
from benchmarks.polling_executor import run_polling
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.step_run import StepRun

DIAMOND = Plan(
    (timed_step("a", (), 0), timed_step("b", ("a",), 0), timed_step("c", ("a",), 0), timed_step("d", ("b", "c"), 0))
)


async def test_the_polling_peer_runs_each_step_once_after_those_it_needs() -> None:
    done: list[str] = []

    async def work(step: Step) -> None:
        assert set(step.rely) <= set(done)
        await asyncio.sleep(0)
        done.append(step.id)

    await run_polling(written(DIAMOND, dict.fromkeys("abcd", 0.0)), work, workers=2)
    assert sorted(done) == ["a", "b", "c", "d"]


async def test_the_same_plan_runs_with_scripted_models() -> None:
    _, runs = await ours(DIAMOND, None, 4)
    assert {run.state for run in runs.values()} == {"done"}


def test_random_plans_are_valid_and_the_same_each_time() -> None:
    assert random_plan(3) == random_plan(3) != random_plan(4)
    random_plan(3).validate()
    assert all(0.05 <= seconds_of(step) <= 0.4 for step in random_plan(3).steps)


def test_lag_is_from_the_last_thing_a_step_waited_for() -> None:
    runs = {
        "a": StepRun(timed_step("a", (), 0), "done", 0.0, 0.0, 0.0, 2.0),
        "b": StepRun(timed_step("b", ("a",), 0), "done", 1.0, 2.0, 2.5, 3.0),
        "c": StepRun(timed_step("c", ("a",), 0), "done", 4.0, 4.0, 4.25, 5.0),
    }
    assert dispatch_lags_ms(runs) == [500.0, 250.0]
