from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import replace

import pytest
from hypothesis import given, settings

from multi_llm_comparator.core.events import Event, Failed, Finished, FinishReason, Started, TextDelta
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.plans.errors import UnknownDependencyError
from multi_llm_comparator.plans.executor import MAX_PROMPT_CHARS, ExecutorOptions, PlanExecutor
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.step_run import StepRun
from tests.plans.test_parse import plans
from tests.support.scripted_source import ScriptedSource

OPTIONS = ExecutorOptions(small_model="small", large_model="large", threshold=5, workers=10)


def step(step_id: str, *rely: str, difficulty: int = 1, task: str | None = None, token: int = 50) -> Step:
    return Step(step_id, task or f"task {step_id}", difficulty, token, rely)


DIAMOND = Plan((step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")))


class InstantSource:
    """Answers at once; what it is asked with a failing task's name in it fails."""

    def __init__(self, *failing: tuple[str, str]) -> None:
        self.asked: list[tuple[str, str]] = []
        self.in_flight = self.most_in_flight = 0
        self._failing = failing

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        prompt = request.messages[-1].content
        self.asked.append((target, prompt))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(0)
        self.in_flight -= 1
        yield Started(request_id=request.id, prompt_tokens=1)
        if any(t == target and task in prompt.splitlines()[-1] for t, task in self._failing):
            yield Failed(request_id=request.id, error_type="InferenceError", message="the model broke")
            return
        yield TextDelta(request_id=request.id, text=f"answer to <{prompt.splitlines()[-1]}>", tokens=1)
        yield Finished(request_id=request.id, reason="stop", prompt_tokens=1, completion_tokens=1)


class ListJournal:
    def __init__(self) -> None:
        self.recorded: list[str] = []

    async def record(self, run: StepRun) -> None:
        await asyncio.sleep(0)
        self.recorded.append(run.step.id)


async def written(*steps: Step) -> AsyncIterator[Step]:
    for one in steps:
        yield one


def states(runs: dict[str, StepRun]) -> dict[str, str]:
    return {step_id: run.state for step_id, run in runs.items()}


async def test_a_step_starts_when_all_it_needs_is_there_and_gets_their_answers() -> None:
    source = ScriptedSource()
    running = asyncio.create_task(PlanExecutor(source, OPTIONS).execute(DIAMOND))
    (first,) = await source.next_calls(1)
    await first.answer("from a")
    _, left, right = await source.next_calls(3)
    assert "from a" in left.request.messages[-1].content
    await left.answer("from b")
    assert len(source.calls) == 3
    await right.answer("from c")
    last = (await source.next_calls(4))[-1]
    prompt = last.request.messages[-1].content
    assert "from b" in prompt and "from c" in prompt and "from a" not in prompt
    await last.answer("the end")
    runs = await running
    assert runs["d"].answer == "the end"
    assert set(states(runs).values()) == {"done"}


async def test_there_is_no_barrier_between_levels() -> None:
    source = ScriptedSource()
    plan = Plan((step("slow"), step("a"), step("b", "a")))
    running = asyncio.create_task(PlanExecutor(source, OPTIONS).execute(plan))
    calls = await source.next_calls(2)
    await calls[1 if "task a" in calls[1].request.messages[-1].content else 0].answer("x")
    assert len(await source.next_calls(3)) == 3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_task_that_quotes_an_answer_gets_it_in_that_place() -> None:
    source = InstantSource()
    plan = Plan((step("1", task="What is 2 + 3?"), step("2", "1", task="Is {1} larger than 4?")))
    await PlanExecutor(source, OPTIONS).execute(plan)
    assert source.asked[1][1] == "Is answer to <What is 2 + 3?> larger than 4?"


async def test_later_steps_quote_the_result_and_not_the_working_before_it() -> None:
    source = ScriptedSource()
    options = replace(OPTIONS, result_after="=")
    plan = Plan((step("1"), step("2", "1", task="Is {1} larger than 4?")))
    running = asyncio.create_task(PlanExecutor(source, options).execute(plan))
    await (await source.next_calls(1))[0].answer("23 + 48 = 63 + 8 = 71")
    last = (await source.next_calls(2))[-1]
    assert last.request.messages[-1].content == "Is 71 larger than 4?"
    await last.answer("Yes")
    runs = await running
    assert runs["1"].answer == "23 + 48 = 63 + 8 = 71"


async def test_a_task_of_nothing_but_quotes_is_answered_by_them_without_a_model() -> None:
    source, journal = InstantSource(), ListJournal()
    plan = Plan((step("1"), step("2"), step("3", "1", "2", task="{2}, {1}"), step("4", "3", task="Is it {3}?")))
    runs = await PlanExecutor(source, OPTIONS, journal=journal).execute(plan)
    assert runs["3"].answer == "answer to <task 2>, answer to <task 1>"
    assert runs["3"].attempts == []
    assert [prompt for _, prompt in source.asked] == ["task 1", "task 2", f"Is it {runs['3'].answer}?"]
    assert journal.recorded.index("3") < journal.recorded.index("4")


@pytest.mark.parametrize("between", [" ", " and so "])
async def test_an_answer_that_is_quoted_too_often_fails_the_step_and_no_other(between: str) -> None:
    often = between.join(["{1}"] * (MAX_PROMPT_CHARS // 10))
    plan = Plan((step("1"), step("2", "1", task=often), step("3", "1")))
    runs = await PlanExecutor(InstantSource(), OPTIONS).execute(plan)
    assert states(runs) == {"1": "done", "2": "failed", "3": "done"}
    assert f"{MAX_PROMPT_CHARS} at most" in (runs["2"].error or "")


@pytest.mark.parametrize(
    ("difficulty", "enable", "target"),
    [(4, True, "small"), (5, True, "large"), (10, True, "large"), (1, False, "large")],
)
async def test_difficulty_decides_who_solves_a_step(difficulty: int, enable: bool, target: str) -> None:
    source = InstantSource()
    options = ExecutorOptions(small_model="small", large_model="large", threshold=5, enable_threshold=enable)
    await PlanExecutor(source, options).execute(Plan((step("a", difficulty=difficulty),)))
    assert [t for t, _ in source.asked] == [target]


async def test_the_token_budget_of_a_step_is_the_bound_of_its_answer() -> None:
    source = ScriptedSource()
    running = asyncio.create_task(PlanExecutor(source, OPTIONS).execute(Plan((step("a", token=77),))))
    (call,) = await source.next_calls(1)
    assert call.request.config.max_tokens == 77
    await call.answer("x")
    await running


@settings(max_examples=40, deadline=None)
@given(plans())
async def test_any_plan_is_solved_completely_within_its_workers(plan: Plan) -> None:
    source = InstantSource()
    options = ExecutorOptions(small_model="small", large_model="large", workers=3)
    runs = await PlanExecutor(source, options).execute(plan)
    assert set(states(runs).values()) == {"done"}
    assert source.most_in_flight <= 3
    for run in runs.values():
        assert all((runs[n].ended_at or 0) <= (run.started_at or 0) for n in run.step.rely)


async def test_what_the_small_model_fails_at_the_large_one_tries() -> None:
    source = InstantSource(("small", "task a"))
    runs = await PlanExecutor(source, OPTIONS).execute(Plan((step("a"),)))
    assert [(a.target, a.progress.state) for a in runs["a"].attempts] == [("small", "failed"), ("large", "done")]
    assert runs["a"].error is None


async def test_a_failed_step_costs_only_those_that_need_it_and_its_error_is_nobodys_prompt() -> None:
    source = InstantSource(("small", "task b"), ("large", "task b"))
    plan = Plan((*DIAMOND.steps, step("e", "c"), step("f", "d")))
    runs = await PlanExecutor(source, OPTIONS).execute(plan)
    assert states(runs) == {"a": "done", "b": "failed", "c": "done", "d": "skipped", "e": "done", "f": "skipped"}
    assert runs["b"].error == "the model broke"
    assert "'b'" in (runs["d"].error or "")
    assert not any("broke" in prompt for _, prompt in source.asked)


async def test_steps_start_while_the_plan_is_still_written() -> None:
    source = ScriptedSource()
    more = asyncio.Event()

    async def writing() -> AsyncIterator[Step]:
        yield step("a")
        await more.wait()
        yield step("b", "a")

    running = asyncio.create_task(PlanExecutor(source, OPTIONS).execute(writing()))
    (first,) = await source.next_calls(1)
    await first.answer("early")
    more.set()
    second = (await source.next_calls(2))[1]
    assert "early" in second.request.messages[-1].content
    await second.answer("late")
    assert set(states(await running).values()) == {"done"}


async def test_a_plan_whose_steps_wait_for_one_that_never_comes_is_an_error_and_not_a_wait() -> None:
    executor = PlanExecutor(InstantSource(), OPTIONS)
    with pytest.raises(UnknownDependencyError, match="ghost"):
        await executor.execute(written(step("a"), step("b", "ghost")))
    assert executor.runs["b"].state == "skipped"


async def test_what_the_planner_raises_ends_the_steps_that_run() -> None:
    source = ScriptedSource()

    async def writing() -> AsyncIterator[Step]:
        yield step("a")
        await source.next_calls(1)
        raise UnknownDependencyError("no such step")

    executor = PlanExecutor(source, OPTIONS)
    with pytest.raises(UnknownDependencyError):
        await executor.execute(writing())
    assert executor.runs["a"].state == "stopped"
    assert source.calls[0].closed.is_set()


async def test_stopping_ends_running_steps_and_keeps_what_is_done() -> None:
    source = ScriptedSource()
    executor = PlanExecutor(source, OPTIONS)
    running = asyncio.create_task(executor.execute(DIAMOND))
    (first,) = await source.next_calls(1)
    await first.answer("kept")
    await source.next_calls(3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert states(executor.runs) == {"a": "done", "b": "stopped", "c": "stopped", "d": "skipped"}
    assert all(call.closed.is_set() for call in source.calls)


async def test_a_finished_step_is_written_down_before_those_that_need_it_start() -> None:
    journal = ListJournal()
    seen: list[tuple[str, list[str]]] = []

    class Watching(InstantSource):
        async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
            seen.append((request.messages[-1].content.splitlines()[-1][-1], list(journal.recorded)))
            async for event in super().stream(target, request):
                yield event

    await PlanExecutor(Watching(), OPTIONS, journal=journal).execute(DIAMOND)
    recorded_before = dict(seen)
    assert "a" in recorded_before["b"] and "a" in recorded_before["c"]
    assert set(recorded_before["d"]) == {"a", "b", "c"}


async def test_steps_solved_before_are_not_solved_again() -> None:
    source = InstantSource()
    done = StepRun(DIAMOND.by_id["a"], state="done", answer="from before")
    runs = await PlanExecutor(source, OPTIONS).execute(DIAMOND, finished=[{"a": done}])
    assert len(source.asked) == 3
    assert "from before" in source.asked[0][1]
    assert set(states(runs).values()) == {"done"}


def solved(*steps: Step) -> dict[str, StepRun]:
    return {one.id: StepRun(one, state="done", answer=f"{one.id} from before") for one in steps}


async def test_steps_written_before_those_they_need_are_not_solved_again_either() -> None:
    source, plan = InstantSource(), Plan((step("1", "2"), step("2"), step("3", "1")))
    runs = await PlanExecutor(source, OPTIONS).execute(plan, finished=[solved(*plan.steps)])
    assert source.asked == []
    assert list(runs) == ["1", "2", "3"]
    assert runs["3"].answer == "3 from before"


async def test_a_plan_numbered_anew_finds_what_was_solved_under_other_ids() -> None:
    source = InstantSource()
    before = solved(step("1"), step("2", "1", task="Is {1} odd?"), step("3", task="other"))
    anew = (
        step("1", task="new"),
        step("2", task="task 1"),
        step("3", "2", task="Is {2} odd?"),
        step("4", "1", task="Is {1} odd?"),
        step("5", task="other", token=51),
    )
    runs = await PlanExecutor(source, OPTIONS).execute(written(*anew), finished=[before])
    assert {i: run.answer for i, run in runs.items() if "before" in (run.answer or "")} == {
        "2": "1 from before",
        "3": "2 from before",
    }
    assert runs["3"].step == anew[2]
    assert len(source.asked) == 3
    assert list(before) == ["3"]


async def test_an_answer_from_before_is_not_used_when_what_it_stood_on_is_solved_anew() -> None:
    source = InstantSource()
    plan = Plan((step("1"), step("2", "1")))
    runs = await PlanExecutor(source, OPTIONS).execute(plan, finished=[{"2": solved(*plan.steps)["2"]}])
    assert len(source.asked) == 2
    assert runs["2"].answer != "2 from before"


class FullDisk(ListJournal):
    async def record(self, run: StepRun) -> None:
        await super().record(run)
        raise StoreError("the disk is full")


@pytest.mark.parametrize("is_written", [False, True])
async def test_an_answer_that_cannot_be_written_down_ends_the_execution_with_that_error(is_written: bool) -> None:
    executor = PlanExecutor(InstantSource(), OPTIONS, journal=FullDisk())
    steps = written(*DIAMOND.steps) if is_written else DIAMOND
    with pytest.raises(StoreError, match="disk is full"):
        await executor.execute(steps)
    assert all(run.is_over for run in executor.runs.values())


async def test_an_empty_answer_is_asked_for_again_and_then_of_the_large_model() -> None:
    source = ScriptedSource()
    running = asyncio.create_task(PlanExecutor(source, OPTIONS).execute(Plan((step("a"),))))
    await (await source.call(0)).answer(" ")
    await (await source.call(1)).answer()
    last = await source.call(2)
    await last.answer("x")
    run = (await running)["a"]
    assert [(a.target, a.progress.state) for a in run.attempts] == [
        ("small", "failed"),
        ("small", "failed"),
        ("large", "done"),
    ]
    assert (run.answer, run.error) == ("x", None)
    assert run.attempts[0].progress.error_type == "EmptyAnswerError"


async def test_an_answer_that_ended_for_its_budget_is_known_as_cut() -> None:
    source = ScriptedSource()
    running = asyncio.create_task(PlanExecutor(source, OPTIONS).execute(Plan((step("a"), step("b")))))
    reasons: tuple[FinishReason, ...] = ("length", "stop")
    for call, reason in zip(await source.next_calls(2), reasons, strict=True):
        await call.start()
        await call.say("x")
        await call.finish(reason)
    runs = await running
    assert [runs["a"].was_cut, runs["b"].was_cut] == [True, False]


async def test_changes_are_told_as_they_happen() -> None:
    told = 0

    def tell() -> None:
        nonlocal told
        told += 1

    await PlanExecutor(InstantSource(), OPTIONS, on_change=tell).execute(DIAMOND)
    assert told >= 4 * len(DIAMOND.steps)
