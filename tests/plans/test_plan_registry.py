from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.exceptions import PlanError, RunNotFoundError, StoreError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.prediction.calibration import Calibration
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import ItemRecord, RunFilter, RunRecord
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.plans.test_plan_run import OPTIONS, ByTarget
from tests.support.scripted_source import ScriptedSource


async def answered(registry: PlanRegistry, question: str = "What is it?") -> PlanRun:
    run = await registry.start(question, OPTIONS, plan=parse_plan(PLAN))
    assert await registry.runs.wait(run.id, timeout_s=20)
    return run


async def test_the_list_tells_what_is_at_work_from_what_was_left_behind(store: Store) -> None:
    source = ScriptedSource()
    registry = PlanRegistry(RunRegistry(store), source)
    run = await registry.start("What is it?", OPTIONS)
    await source.call(0)
    assert [r.status for r in await registry.runs.list()] == ["running"]
    store.leases.end_all_of(registry.runs.owner)
    assert [r.status for r in store.list_runs()] == ["interrupted"]
    await registry.runs.stop(run.id)


async def test_runs_are_counted_and_deleted(store: Store) -> None:
    registry = PlanRegistry(RunRegistry(store), ByTarget(small="7", large="568"))
    first = await answered(registry)
    await answered(registry, "What about pears?")
    assert (await registry.runs.count(), await registry.runs.count(RunFilter(text="pears"))) == (2, 1)
    assert await registry.runs.delete([first.id])
    assert not await registry.runs.delete(["no such run"])
    assert await registry.runs.count() == 1
    with pytest.raises(RunNotFoundError):
        await registry.get(first.id)


async def test_a_run_that_is_deleted_at_work_is_stopped(store: Store) -> None:
    source = ScriptedSource()
    registry = PlanRegistry(RunRegistry(store), source)
    run = await registry.start("What is it?", OPTIONS)
    call = await source.call(0)
    await registry.runs.delete([run.id])
    await asyncio.wait_for(call.closed.wait(), 20)
    assert (run.state, await registry.runs.count()) == ("stopped", 0)


async def test_a_snapshot_stays_as_it_was(store: Store) -> None:
    source = ScriptedSource()
    registry = PlanRegistry(RunRegistry(store), source)
    run = await registry.start("What is it?", OPTIONS)
    call = await source.call(0)
    await call.start()
    before = run.snapshot()
    await call.say(PLAN)
    assert (len(before.steps), before.planning[0].progress.text) == (0, "")
    assert run.snapshot().planning[0].progress.text == PLAN
    assert run_metrics(before).tokens == 0
    await registry.runs.stop(run.id)


async def test_a_run_is_no_longer_over_from_the_moment_it_is_resumed(store: Store) -> None:
    registry = PlanRegistry(RunRegistry(store), ByTarget(small="7", large=None))
    run = await registry.start("What is it?", OPTIONS, plan=parse_plan(PLAN))
    assert await registry.runs.wait(run.id, timeout_s=20)
    assert run.state == "failed"
    assert not (await registry.runs.resume(run.id, PlanRun)).is_over


async def test_a_step_is_solved_again_with_those_that_need_it_and_the_others_are_kept(store: Store) -> None:
    source = ByTarget(small="7", large="568", other="80")
    registry = PlanRegistry(RunRegistry(store), source)
    first = await answered(registry)
    asked = len(source.targets())
    needs_2 = [s.step.id for s in first.steps.values() if "2" in s.step.rely]
    executor = replace(OPTIONS.executor, small_model="other", large_model="other")
    again = await registry.solve_again(first.id, "2", replace(OPTIONS, executor=executor))
    assert await registry.runs.wait(again.id, timeout_s=20)
    assert (again.state, again.created_at) == ("done", first.created_at)
    assert source.targets()[asked:] == ["other"] * (1 + len(needs_2))
    kept = first.steps.keys() - {"2", *needs_2}
    assert kept
    for step_id in kept:
        assert again.steps[step_id].attempts == first.steps[step_id].attempts
    assert first.steps["2"].answer != again.steps["2"].answer == "80"
    # The past of both is the same, and the time between is nobody's.
    whole, before = run_metrics(again).wall_s, run_metrics(first).wall_s
    assert whole is not None and before is not None and whole < before + 20
    assert [s.id for s in await registry.runs.list()] and await registry.runs.count() == 2
    # It is as old as the run that it began as, and what it took over is no prediction.
    assert set((await Calibration(registry).outlook(again)).unknown) == {"small", "other"}


async def test_what_needs_a_step_that_is_solved_again_is_open_until_that_is_there(store: Store) -> None:
    first = await answered(PlanRegistry(RunRegistry(store), ByTarget(small="7", large="568")))
    # It never answers.
    registry = PlanRegistry(RunRegistry(store), ScriptedSource())
    needed = next(s.step.rely[0] for s in first.steps.values() if s.step.rely)
    assert first.plan is not None
    dependents = first.plan.dependents(needed)
    again = await registry.solve_again(first.id, needed, OPTIONS)
    # As after a crash at this very moment: what is stored is all there is.
    stored = await PlanRegistry(RunRegistry(store), ScriptedSource()).get(again.id)
    assert {i for i, s in stored.steps.items() if s.state != "done"} >= {needed, *dependents}
    await registry.runs.stop(again.id)


async def test_a_run_that_has_all_its_answers_is_not_gone_on_with(store: Store) -> None:
    source = ByTarget(small="7", large="568")
    registry = PlanRegistry(RunRegistry(store), source)
    run = await answered(registry)
    asked, answer = len(source.targets()), run.answer
    again = await PlanRegistry(RunRegistry(store), source).runs.resume(run.id, PlanRun)
    assert (again.state, again.answer, len(source.targets())) == ("done", answer, asked)


async def test_a_run_that_is_stopped_before_it_began_is_stopped(store: Store) -> None:
    registry = PlanRegistry(RunRegistry(store), ScriptedSource())
    run = await registry.start("What is it?", OPTIONS)
    await registry.runs.stop(run.id)
    assert (run.state, run.is_over) == ("stopped", True)
    assert [s.status for s in await registry.runs.list()] == ["stopped"]


async def test_more_runs_than_are_kept_in_memory_can_be_stopped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("multi_llm_comparator.runs.registry.MAX_IDLE", 1)
    registry = PlanRegistry(RunRegistry(store), ScriptedSource())
    runs = [await registry.start("What is it?", OPTIONS) for _ in range(3)]
    for run in runs:
        await registry.runs.stop(run.id)
    assert [run.state for run in runs] == ["stopped"] * 3


async def test_a_run_that_is_stopped_while_it_is_being_resumed_stops(store: Store) -> None:
    source = ScriptedSource()
    registry = PlanRegistry(RunRegistry(store), source)
    run = await registry.start("What is it?", OPTIONS)
    await registry.runs.stop(run.id)
    fresh = PlanRegistry(RunRegistry(store), source)
    resumed, _ = await asyncio.gather(fresh.runs.resume(run.id, PlanRun), fresh.runs.stop(run.id))
    assert resumed.state == "stopped"


async def test_what_should_never_happen_is_in_the_log_and_fails_the_run(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(ScriptedSource):
        async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
            raise RuntimeError("the cause")
            yield

    registry = PlanRegistry(RunRegistry(store), Broken())
    run = await registry.start("What is it?", OPTIONS)
    assert await registry.runs.wait(run.id, timeout_s=20)
    assert run.state == "failed" and "its log says what" in (run.error or "")
    assert "the cause" in caplog.text and run.id in caplog.text


async def test_a_step_is_not_solved_again_before_the_run_is_over_or_if_there_is_none(store: Store) -> None:
    source = ScriptedSource()
    registry = PlanRegistry(RunRegistry(store), source)
    run = await registry.start("What is it?", OPTIONS, plan=parse_plan(PLAN))
    await source.call(0)
    with pytest.raises(PlanError, match="wait for its end"):
        await registry.solve_again(run.id, "1", OPTIONS)
    await registry.runs.stop(run.id)
    with pytest.raises(PlanError, match="no step 'nine'"):
        await registry.solve_again(run.id, "nine", OPTIONS)
    assert await registry.runs.count() == 1


async def until_running(run: PlanRun, step_id: str) -> None:
    async with asyncio.timeout(20):
        while step_id not in run.steps or run.steps[step_id].state != "running":
            await asyncio.sleep(0.001)


async def test_a_run_read_again_has_its_steps_in_the_order_of_its_plan(store: Store) -> None:
    plan = Plan(tuple(Step(str(n), f"task {n}", 1, 50) for n in range(12, 0, -1)))
    registry = PlanRegistry(RunRegistry(store), ByTarget(small="7", large="568"))
    run = await registry.start("What is it?", OPTIONS, plan=plan)
    await registry.runs.wait(run.id, timeout_s=20)
    read = await PlanRegistry(RunRegistry(store), ScriptedSource()).get(run.id)
    assert list(read.steps) == [step.id for step in plan.steps]


async def test_two_who_resume_the_same_run_get_one_execution(store: Store) -> None:
    source = ScriptedSource()
    registry = PlanRegistry(RunRegistry(store), source)
    run = await registry.start("What is it?", OPTIONS, plan=parse_plan(PLAN))
    await source.next_calls(2)
    await registry.runs.stop(run.id)
    first, second = await asyncio.gather(registry.runs.resume(run.id, PlanRun), registry.runs.resume(run.id, PlanRun))
    assert first is second
    await source.next_calls(2, after=2)
    await registry.runs.stop(run.id)
    assert len(source.calls) == 4


async def test_a_run_killed_while_it_was_planned_shows_what_was_there_and_finds_it_in_a_plan_numbered_anew(
    store: Store,
) -> None:
    source = ByTarget(planner=PLAN + " " * 10_000_000, small="7", large="x" * 10_000_000)
    killed = PlanRegistry(RunRegistry(store), source)
    run = await killed.start("What is it?", OPTIONS)
    await until_running(run, "3")
    later = ByTarget(planner=PLAN.replace('ID="1"', 'ID="9"').replace('Rely="1,2"', 'Rely="9,2"'), large="568")
    registry = PlanRegistry(RunRegistry(store), later)
    left = await registry.get(run.id)
    assert {i: s.state for i, s in left.steps.items()}.items() >= {"1": "done", "2": "done"}.items()
    assert "<Step" in left.planning[0].progress.text
    resumed = await registry.runs.resume(run.id, PlanRun)
    await registry.runs.wait(run.id, timeout_s=20)
    assert (resumed.state, resumed.answer) == ("done", "568")
    assert later.targets() == ["planner", "large"]
    assert list(resumed.steps) == ["9", "2", "3"]
    read = await PlanRegistry(RunRegistry(store), later).get(run.id)
    assert run_metrics(read).tokens == run_metrics(resumed).tokens
    await killed.runs.stop(run.id)


class DiskThatFills(Store):
    is_full = False

    def save_run(self, run: RunRecord, items: Sequence[ItemRecord] = (), **options: Any) -> None:
        self._check()
        super().save_run(run, items, **options)

    def save_items(self, items: Sequence[ItemRecord], **options: Any) -> None:
        self._check()
        super().save_items(items, **options)

    def _check(self) -> None:
        if self.is_full:
            raise StoreError("the disk is full")


@pytest.mark.parametrize("is_planned", [False, True])
async def test_a_run_that_cannot_be_written_down_fails_and_says_so(tmp_path: Path, is_planned: bool) -> None:
    store = DiskThatFills(f"sqlite:///{tmp_path / 'runs.db'}")
    source = ScriptedSource()
    registry = PlanRegistry(RunRegistry(store), source)
    run = await registry.start("What is it?", OPTIONS, plan=None if is_planned else parse_plan(PLAN))
    if is_planned:
        planner = await source.call(0)
        await planner.start()
        await planner.say(PLAN[: PLAN.index("<Step", PLAN.index("<Step") + 1)])
    step = await source.call(int(is_planned))
    store.is_full = True
    await step.answer("7")
    # Also while the planner is at work, and says nothing more.
    assert await registry.runs.wait(run.id, timeout_s=20)
    assert (run.state, run.error, run.answer) == ("failed", "the disk is full", None)
    store.close()


class HeldStore(Store):
    """A store whose disk is slow, and now and then full."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.go, self.writes, self.failures = threading.Event(), 0, 0

    def save_items(self, items: Sequence[ItemRecord], **options: Any) -> None:
        assert self.go.wait(timeout=20)
        self.writes += 1
        if self.failures:
            self.failures -= 1
            raise StoreError("the disk is full")
        super().save_items(items, **options)


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[HeldStore]:
    store = HeldStore(f"sqlite:///{tmp_path / 'held.db'}")
    yield store
    store.close()


async def ended(store: Store, *step_ids: str) -> PlanRun:
    """A run at work, whose steps have ended and are to be recorded."""
    source = ScriptedSource()
    run = PlanRegistry(RunRegistry(store), source).recorded(PlanRun(source, "q", OPTIONS, run_id="r"))
    run.state = "running"
    await run.save()
    run.steps = {i: StepRun(Step(i, "Count.", 2, 20), "done", answer="7") for i in step_ids}
    return run


async def test_steps_that_end_while_one_is_written_are_written_together(held: HeldStore) -> None:
    run = await ended(held, *"1234")
    recording = [asyncio.create_task(run.record(step)) for step in run.steps.values()]
    await asyncio.sleep(0)
    assert not any(task.done() for task in recording)
    held.go.set()
    await asyncio.gather(*recording)
    assert [item.key for item in held.load_items("r")] == list("1234")
    assert held.writes <= 2


async def test_a_step_that_could_not_be_written_with_another_is_tried_again_with_the_next(held: HeldStore) -> None:
    held.failures = 2
    held.go.set()
    run = await ended(held, *"123")
    outcomes = await asyncio.gather(*(run.record(step) for step in run.steps.values()), return_exceptions=True)
    assert [isinstance(outcome, StoreError) for outcome in outcomes] == [True, True, False]
    assert [item.key for item in held.load_items("r")] == list("123")
