"""What stored runs tell of models, and what another should take by that."""

from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_registry import answered
from tests.plans.test_plan_run import OPTIONS, ByTarget

STEPS = {("small", "step"), ("large", "step")}


@pytest.fixture
def registry(store: Store) -> PlanRegistry:
    return PlanRegistry(RunRegistry(store), ByTarget(planner=PLAN, small="7" * 9, large="568" * 9))


async def test_profiles_come_from_stored_runs_but_not_from_the_one_to_be_predicted(registry: PlanRegistry) -> None:
    calibration = Calibration(registry)
    run = await registry.start("What is it?", OPTIONS)
    assert await registry.runs.wait(run.id)
    assert set(await calibration.profiles()) == {*STEPS, ("planner", "plan")}
    assert await calibration.profiles(without=run.id) == {}


async def test_a_first_run_is_not_predicted_from_itself(registry: PlanRegistry) -> None:
    calibration = Calibration(registry)
    first = await calibration.outlook(await answered(registry))
    assert (first.prediction, first.alone, set(first.unknown)) == (None, None, {"small", "large"})
    again = await calibration.outlook(await answered(registry))
    assert again.prediction is not None and again.prediction.actual_s is not None and again.unknown == ()
    assert again.alone is not None and (again.alone.model, again.alone.answers) == ("large", 1)


async def test_what_was_predicted_of_a_run_does_not_change_by_later_ones(registry: PlanRegistry) -> None:
    calibration = Calibration(registry)
    await answered(registry)
    run = await answered(registry)
    before = await calibration.outlook(run)
    for _ in range(3):
        await answered(registry)
    assert await calibration.outlook(run) == before
    assert before.prediction is not None


async def test_a_run_is_read_once_however_often_models_are_looked_up(
    store: Store, registry: PlanRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        await answered(registry)
    # A workbench that was just opened has none of them in memory.
    again = PlanRegistry(RunRegistry(store), ByTarget())
    read: list[str] = []
    load = store.load_whole

    def counted(run_id: str) -> Any:
        read.append(run_id)
        return load(run_id)

    monkeypatch.setattr(store, "load_whole", counted)
    calibration = Calibration(again)
    first = await calibration.profiles()
    # As for an old run that is opened meanwhile.
    assert await calibration.profiles(before=0.0) == {}
    assert await calibration.profiles() == first
    assert len(read) == len(set(read)) == 3


async def test_what_is_new_deleted_or_left_out_counts(registry: PlanRegistry) -> None:
    calibration = Calibration(registry)

    async def answers(**which: Any) -> int:
        return (await calibration.profiles(**which))["large", "step"].answers

    runs = []
    for number in range(1, 5):
        runs.append(await answered(registry))
        assert await answers() == number
    await registry.runs.delete([runs[0].id])
    assert (await answers(), await answers(without=runs[1].id), await answers()) == (3, 2, 3)


async def test_a_run_that_was_resumed_is_looked_at_anew(registry: PlanRegistry) -> None:
    calibration = Calibration(registry)
    run = await registry.start("What is it?", OPTIONS)
    await registry.runs.stop(run.id)
    assert ("large", "step") not in await calibration.profiles()
    await registry.runs.resume(run.id, PlanRun)
    assert await registry.runs.wait(run.id, timeout_s=20)
    assert ("large", "step") in await calibration.profiles()
