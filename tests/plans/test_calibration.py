"""What stored runs tell of models, and what another run should take by that."""

from __future__ import annotations

import pytest

from multi_llm_comparator.plans.calibration import FITS_KEPT, Calibration
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_registry import answered
from tests.plans.test_plan_run import OPTIONS, ByTarget


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield store
    store.close()


@pytest.fixture
def registry(store):
    return PlanRegistry(RunRegistry(store), ByTarget(planner=PLAN, small="7" * 9, large="568" * 9))


async def test_profiles_come_from_stored_runs_but_not_from_the_one_to_be_predicted(registry):
    calibration = Calibration(registry)
    run = await registry.start("What is it?", OPTIONS)
    assert await registry.runs.wait(run.id)
    assert set(await calibration.profiles({"small", "large", "other"})) == {"small", "large"}
    assert await calibration.profiles({"small", "large"}, without=run.id) == {}


async def test_a_first_run_is_not_predicted_from_itself(registry):
    calibration = Calibration(registry)
    first = await calibration.outlook(await answered(registry))
    assert (first.prediction, first.alone, set(first.unknown)) == (None, None, {"small", "large"})
    again = await calibration.outlook(await answered(registry))
    assert again.prediction is not None and again.prediction.actual_s is not None and again.unknown == ()
    assert again.alone is not None and (again.alone.model, again.alone.answers) == ("large", 1)


async def test_what_was_predicted_of_a_run_does_not_change_by_later_ones(registry):
    calibration = Calibration(registry)
    await answered(registry)
    run = await answered(registry)
    before = (await calibration.outlook(run)).prediction
    for _ in range(3):
        await answered(registry)
    after = (await calibration.outlook(run)).prediction
    assert before is not None and after is not None
    assert after.schedule == before.schedule and after.profiles == before.profiles


async def test_a_run_is_read_once_however_often_models_are_looked_up(store, registry, monkeypatch):
    for _ in range(3):
        await answered(registry)
    # A workbench that was just opened has none of them in memory.
    again = PlanRegistry(RunRegistry(store), ByTarget())
    read: list[str] = []
    load = store.load_whole
    monkeypatch.setattr(store, "load_whole", lambda run_id: read.append(run_id) or load(run_id))
    calibration = Calibration(again)
    first = await calibration.profiles({"small"})
    # As for an old run that is opened meanwhile.
    assert await calibration.profiles({"small"}, before=0.0) == {}
    assert await calibration.profiles({"small"}) == first
    assert len(read) == len(set(read)) == 3


async def test_what_is_new_deleted_or_left_out_counts(registry):
    calibration = Calibration(registry)
    runs = []
    for number in range(1, 2 + FITS_KEPT):
        runs.append(await answered(registry))
        assert (await calibration.profiles({"large"}))["large"].answers == number
    await registry.runs.delete([runs[0].id])
    assert (await calibration.profiles({"large"}))["large"].answers == FITS_KEPT
    assert (await calibration.profiles({"large"}, without=runs[1].id))["large"].answers == FITS_KEPT - 1
    assert (await calibration.profiles({"large"}))["large"].answers == FITS_KEPT


async def test_a_run_that_was_resumed_is_looked_at_anew(registry):
    calibration = Calibration(registry)
    run = await registry.start("What is it?", OPTIONS)
    await registry.runs.stop(run.id)
    assert "large" not in await calibration.profiles({"large"})
    await registry.runs.resume(run.id, PlanRun)
    assert await registry.runs.wait(run.id, timeout_s=20)
    assert "large" in await calibration.profiles({"large"})
