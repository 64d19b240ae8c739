from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncGenerator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.events import Event, Failed, Finished, Started, TextDelta
from multi_llm_comparator.core.exceptions import RunAtWorkError, RunNotFoundError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.plans.executor import ExecutorOptions
from multi_llm_comparator.plans.metrics import run_metrics
from multi_llm_comparator.plans.options import PlanOptions
from multi_llm_comparator.plans.parse import parse_plan
from multi_llm_comparator.plans.performance import PerformanceTracker
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_parse import PLAN
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
OPTIONS = PlanOptions(
    executor=ExecutorOptions(small_model="small", large_model="large"), router_model="planner", aggregation="last_step"
)


class ByTarget:
    """Answers by target: a text, or a list of texts one after the other; None fails."""

    def __init__(self, **answers: str | list[str | None] | None) -> None:
        self.asked: list[tuple[str, GenerationRequest]] = []
        self._answers = answers

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        self.asked.append((target, request))
        answer = self._answers[target]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        yield Started(request_id=request.id, prompt_tokens=1)
        if answer is None:
            yield Failed(request_id=request.id, error_type="InferenceError", message="out of order")
            return
        for number, char in enumerate(answer, 1):
            yield TextDelta(request_id=request.id, text=char, tokens=number)
            await asyncio.sleep(0)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=len(answer))

    def targets(self) -> list[str]:
        return [target for target, _ in self.asked]


async def run(source: ByTarget, options: PlanOptions = OPTIONS, **more: Any) -> PlanRun:
    plan_run = PlanRun(source, "What is (23 + 48) * (17 - 9)?", options, run_id="r")
    await plan_run.execute(**more)
    return plan_run


async def test_a_question_is_planned_solved_and_answered() -> None:
    source = ByTarget(planner=f"<think>easy</think>{PLAN}", small="7", large="568")
    done = await run(source)
    assert (done.state, done.answer, done.error) == ("done", "568", None)
    assert source.targets()[0] == "planner"
    assert sorted(source.targets()[1:]) == ["large", "small", "small"]
    assert done.planning[0].thinking == "easy"
    assert done.plan == parse_plan(PLAN)


async def test_steps_are_solved_while_the_planner_still_writes() -> None:
    source = ByTarget(planner=PLAN + " " * 200, small="7", large="568")
    done = await run(source)
    planned_at = done.planning[0].progress.ended_at
    assert planned_at is not None
    assert (done.steps["1"].ended_at or planned_at) < planned_at


async def test_a_model_puts_the_answers_together_when_asked_to() -> None:
    options = PlanOptions(executor=OPTIONS.executor, router_model="planner", aggregator="editor")
    source = ByTarget(planner=PLAN, small="7", large="568", editor="It is 568.")
    done = await run(source, options)
    assert done.answer == "It is 568."
    prompt = source.asked[-1][1].messages[-1].content
    assert "568" in prompt and "What is (23 + 48)" in prompt


async def test_whoever_is_asked_for_a_run_is_paid_from_its_budget() -> None:
    options = PlanOptions(executor=OPTIONS.executor, router_model="planner", aggregator="editor")
    source = ByTarget(planner=PLAN, small="7", large="568", editor="It is 568.")
    await run(source, options)
    assert set(source.targets()) == {"planner", "small", "large", "editor"}
    assert {request.run_id for _, request in source.asked} == {"r"}


async def test_the_result_of_the_last_step_is_the_answer_without_its_working() -> None:
    options = replace(OPTIONS, executor=replace(OPTIONS.executor, result_after="="))
    done = await run(ByTarget(planner=PLAN, small="7", large="71 * 8 = 560 + 8 = 568"), options)
    assert done.answer == "568"


async def test_what_an_unusable_plan_had_solved_is_not_solved_again_and_counts_once() -> None:
    unusable = PLAN.replace('Rely="1,2"', 'Rely="1,8"').replace("17 - 9", "18 - 9")
    source = ByTarget(planner=[unusable + " " * 500, PLAN], small="7", large="568")
    done = await run(source)
    assert done.answer == "568"
    assert sorted(source.targets()) == ["large", "planner", "planner", "small", "small", "small"]
    assert {i: s.answer for i, s in done.planning[0].begun.items()} == {"2": "7"}
    written = sum(len(attempt.progress.text) for attempt in done.planning)
    assert run_metrics(done).tokens == written + len("777568")
    tracker = PerformanceTracker()
    tracker.track(done)
    assert tracker.models()["small"].calls == 3


async def test_an_empty_answer_of_the_aggregator_is_no_answer() -> None:
    options = PlanOptions(executor=OPTIONS.executor, router_model="planner", aggregator="editor")
    done = await run(ByTarget(planner=PLAN, small="7", large="568", editor=" "), options)
    assert (done.state, done.answer) == ("failed", None)
    assert "without a word" in (done.error or "")


async def test_an_unusable_plan_is_asked_for_again_with_what_is_wrong() -> None:
    source = ByTarget(planner=[PLAN.replace('Rely="1,2"', 'Rely="9"'), PLAN], small="7", large="568")
    done = await run(source)
    assert done.answer == "568"
    again = source.asked[[i for i, t in enumerate(source.targets()) if t == "planner"][1]][1]
    assert "'9'" in again.messages[-1].content
    assert [a.error_type for a in done.planning] == ["UnknownDependencyError", None]


@pytest.mark.parametrize("planner", ["I would rather not.", None])
async def test_without_a_usable_plan_the_question_is_asked_directly(planner: str | None) -> None:
    source = ByTarget(planner=planner, small="7", large="568 at once")
    done = await run(source)
    assert done.plan_is_direct
    assert done.answer == "568 at once"
    assert len(done.planning) == (3 if planner else 1)


async def test_the_aggregate_is_told_what_is_missing() -> None:
    options = PlanOptions(executor=OPTIONS.executor, router_model="planner", aggregator="editor")
    source = ByTarget(planner=PLAN, small="7", large=None, editor="Only 7 is known.")
    done = await run(source, options)
    assert done.answer == "Only 7 is known."
    assert "no answer: 3" in source.asked[-1][1].messages[-1].content
    assert "out of order" not in source.asked[-1][1].messages[-1].content


async def test_a_run_without_any_answer_fails_and_says_why() -> None:
    done = await run(ByTarget(planner=PLAN, small=None, large=None))
    assert done.state == "failed"
    assert "out of order" in (done.error or "")


async def test_a_given_plan_needs_no_planner() -> None:
    source = ByTarget(small="7", large="568")
    done = await run(source, plan=parse_plan(PLAN))
    assert done.answer == "568"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield store
    store.close()


async def finished(registry: PlanRegistry, plan_run: PlanRun) -> PlanRun:
    assert await registry.runs.wait(plan_run.id, timeout_s=60)
    return plan_run


async def test_a_finished_run_is_found_again_in_the_store(store: Store) -> None:
    source = ByTarget(planner=PLAN, small="7", large="568")
    registry = PlanRegistry(RunRegistry(store), source)
    original = await finished(registry, await registry.start("What is it?", OPTIONS))
    restored = await PlanRegistry(RunRegistry(store), source).get(original.id)
    assert (restored.state, restored.answer, restored.plan) == ("done", "568", original.plan)
    assert {i: s.answer for i, s in restored.steps.items()} == {"1": "7", "2": "7", "3": "568"}
    assert restored.steps["3"].attempts[0].progress.text == "568"
    assert (await registry.runs.list(RunFilter(text="what IS")))[0].id == original.id


async def test_a_stopped_run_is_resumed_without_repeating_what_is_done(store: Store) -> None:
    source = ByTarget(planner=PLAN, small="7", large="x" * 10_000_000)
    registry = PlanRegistry(RunRegistry(store), source)
    plan_run = await registry.start("What is it?", OPTIONS)
    # The last step may begin before the planner has written its last characters.
    while plan_run.plan is None or plan_run.steps["3"].state != "running":
        await asyncio.sleep(0.001)
    await registry.runs.stop(plan_run.id)
    assert plan_run.state == "stopped"
    later = ByTarget(small=None, large="568")
    second = PlanRegistry(RunRegistry(store), later)
    resumed = await finished(second, await second.runs.resume(plan_run.id, PlanRun))
    assert (resumed.state, resumed.answer) == ("done", "568")
    assert later.targets() == ["large"]
    assert (await PlanRegistry(RunRegistry(store), later).get(plan_run.id)).pauses == resumed.pauses
    assert len(resumed.pauses) == 1


async def test_an_unknown_run_is_an_error(store: Store) -> None:
    with pytest.raises(RunNotFoundError):
        await PlanRegistry(RunRegistry(store), ByTarget()).get("nothing")


KILLED = """
import asyncio, sys
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.plans.test_plan_run import ByTarget, OPTIONS, PLAN

async def main():
    registry = PlanRegistry(RunRegistry(Store(sys.argv[1])), ByTarget(planner=PLAN, small="7", large="x" * 10_000_000))
    run = await registry.start("What is it?", OPTIONS)
    while "3" not in run.steps or run.steps["3"].state != "running":
        await asyncio.sleep(0.001)
    print(run.id, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_run_whose_workbench_was_killed_is_resumed_without_repeating_a_finished_step(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    process = subprocess.Popen([warm_python(), "-c", KILLED, url], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    run_id = process.stdout.readline().strip()
    store = Store(url)
    watching = PlanRegistry(RunRegistry(store), ByTarget())
    seen = await watching.get(run_id)
    assert seen.owner is not None
    pid = seen.owner.pid
    assert seen.state == "running"
    # It goes on meanwhile.
    (summary,) = await watching.runs.list()
    assert summary.status == "running"
    for forbidden in (
        watching.runs.resume(run_id, PlanRun),
        watching.runs.stop(run_id),
        watching.runs.delete([run_id]),
    ):
        with pytest.raises(RunAtWorkError, match=str(pid)):
            await forbidden
    os.kill(pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    # It may have been killed before the plan was complete; then the planner is asked again, and says the same.
    source = ByTarget(planner=PLAN, small=None, large="568")
    registry = PlanRegistry(RunRegistry(store), source)
    assert (await registry.get(run_id)).state == "interrupted"
    resumed = await finished(registry, await registry.runs.resume(run_id, PlanRun))
    assert (resumed.state, resumed.answer) == ("done", "568")
    assert [t for t in source.targets() if t != "planner"] == ["large"]
    store.close()


async def test_a_run_killed_while_it_was_planned_repeats_no_step_that_the_new_plan_has_too(store: Store) -> None:
    first = ByTarget(planner=PLAN + " " * 10_000_000, small="7", large="x" * 10_000_000)
    registry = PlanRegistry(RunRegistry(store), first)
    plan_run = await registry.start("What is it?", OPTIONS)
    while "3" not in plan_run.steps or plan_run.steps["3"].state != "running":
        await asyncio.sleep(0.001)
    assert plan_run.stage == "planning"
    await registry.runs.stop(plan_run.id)
    changed = PLAN.replace("17 - 9", "18 - 9")
    later = ByTarget(planner=changed, small="9", large="639")
    second = PlanRegistry(RunRegistry(store), later)
    resumed = await finished(second, await second.runs.resume(plan_run.id, PlanRun))
    assert (resumed.state, resumed.answer) == ("done", "639")
    # Step 1 is as it was; step 2 is another one now.
    assert sorted(later.targets()) == ["large", "planner", "small"]
