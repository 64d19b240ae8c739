from __future__ import annotations

import asyncio

import pytest

from multi_llm_comparator.core.exceptions import RunNotFoundError
from multi_llm_comparator.plans.calibration import predicted
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.snapshots import snapshot_of
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS, ByTarget
from tests.support.scripted_source import ScriptedSource


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield store
    store.close()


async def answered(registry: PlanRegistry, question: str = "What is it?") -> PlanRun:
    run = await registry.start(question, OPTIONS, plan=parse_plan(PLAN))
    assert await registry.wait(run.id, timeout_s=20)
    return run


async def test_the_list_tells_what_is_at_work_from_what_was_left_behind(store):
    source = ScriptedSource()
    registry = PlanRegistry(store, source)
    run = await registry.start("What is it?", OPTIONS)
    await source.call(0)
    assert [r.status for r in await registry.recent()] == ["planning"]
    assert [r.status for r in await PlanRegistry(store, source).recent()] == ["stopped"]
    await registry.stop(run.id)


async def test_runs_are_counted_and_deleted(store):
    registry = PlanRegistry(store, ByTarget(small="7", large="568"))
    first = await answered(registry)
    await answered(registry, "What about pears?")
    assert (await registry.count(), await registry.count("pears")) == (2, 1)
    await registry.delete(first.id)
    await registry.delete("no such run")
    assert await registry.count() == 1
    with pytest.raises(RunNotFoundError):
        await registry.get(first.id)


async def test_a_run_that_is_deleted_at_work_is_stopped(store):
    source = ScriptedSource()
    registry = PlanRegistry(store, source)
    run = await registry.start("What is it?", OPTIONS)
    call = await source.call(0)
    await registry.delete(run.id)
    await asyncio.wait_for(call.closed.wait(), 20)
    assert (run.state, await registry.count()) == ("stopped", 0)


async def test_a_snapshot_stays_as_it_was(store):
    source = ScriptedSource()
    registry = PlanRegistry(store, source)
    run = await registry.start("What is it?", OPTIONS)
    call = await source.call(0)
    await call.start()
    before = snapshot_of(run)
    await call.say(PLAN)
    assert (len(before.steps), before.planning[0].progress.text) == (0, "")
    assert snapshot_of(run).planning[0].progress.text == PLAN
    assert run_metrics(before).tokens == 0
    await registry.stop(run.id)


async def test_a_first_run_is_predicted_from_itself(store):
    registry = PlanRegistry(store, ByTarget(small="7" * 9, large="568" * 9))
    prediction = await predicted(registry, await answered(registry))
    assert prediction is not None and prediction.actual_s is not None
    assert set(prediction.profiles) == {"small", "large"}
