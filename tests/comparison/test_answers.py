"""What becomes of one prompt: answers that grow, end, fail or are stopped. The source's events are the test's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Contended, Event, Loaded, Loading
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.requests import GenerationRequest
from tests.comparison.asking import PANES, answer, asked
from tests.support.scripted_source import ScriptedSource


async def test_all_panes_answer_at_once_each_in_its_own_time(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.start()
    await b.start()
    await a.say("fi")
    await b.say("5")
    assert (answer(comparison, "a").text, answer(comparison, "b").text) == ("fi", "5")
    await b.finish()
    assert comparison.snapshot().is_running
    await a.say("ve")
    await a.finish("length")
    await comparison.wait()
    snapshot = comparison.snapshot()
    assert not snapshot.is_running
    assert snapshot.status == "done"
    assert answer(comparison, "a").text == "five"
    assert answer(comparison, "a").progress.finish_reason == "length"


async def test_the_same_model_may_answer_in_four_panes(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    panes = [Pane(str(n), "m1", ModelConfig(seed=n)) for n in range(MAX_PANES)]
    comparison, calls = await asked(registry, source, panes)
    assert [call.request.config.seed for call in calls] == [0, 1, 2, 3]
    for number, call in enumerate(calls):
        await call.answer(str(number))
    await comparison.wait()
    assert [answer(comparison, str(n)).text for n in range(4)] == list("0123")


async def test_each_pane_asks_with_its_own_parameters_and_the_runs_id(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    panes = (Pane("a", "m1", ModelConfig(temperature=0, system_prompt="Be brief.")), Pane("b", "m2"))
    comparison, (a, b) = await asked(registry, source, panes)
    assert (a.target, b.target) == ("m1", "m2")
    assert a.request.config == panes[0].config
    assert b.request.config.system_prompt == ""
    assert {a.request.run_id, b.request.run_id} == {comparison.id}


async def test_a_pane_that_fails_changes_nothing_in_the_others(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.start()
    await a.say("par")
    await a.fail("the process was killed")
    await b.answer("5")
    await comparison.wait()
    failed = answer(comparison, "a")
    assert (failed.progress.state, failed.progress.error, failed.text) == ("failed", "the process was killed", "par")
    assert failed.can_retry
    assert failed.can_continue
    assert answer(comparison, "b").progress.state == "done"
    assert comparison.snapshot().status == "failed"


@pytest.mark.parametrize(
    ("last", "error_type", "says"),
    [
        (None, "InferenceError", "broke off"),
        (RuntimeError("boom"), "InferenceError", "RuntimeError: boom"),
        (asyncio.CancelledError(), "InferenceError", "broke off"),
        (InvalidParameterError("top_p is wrong"), "InvalidParameterError", "top_p is wrong"),
    ],
)
async def test_a_source_that_misbehaves_is_a_failure_of_its_pane(
    registry: ComparisonRegistry, source: ScriptedSource, last: BaseException | None, error_type: str, says: str
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.start()
    await a.emit(last)
    await b.answer("5")
    await comparison.wait()
    progress = answer(comparison, "a").progress
    assert (progress.state, progress.error_type) == ("failed", error_type)
    assert progress.error is not None and says in progress.error
    assert answer(comparison, "b").text == "5"


async def test_stop_ends_one_pane_at_once_and_keeps_its_text(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.start()
    await a.say("one ", "two ")
    await comparison.stop("a")
    assert a.closed.is_set()
    stopped = answer(comparison, "a")
    assert (stopped.progress.state, stopped.progress.finish_reason, stopped.text) == (
        "stopped",
        "cancelled",
        "one two ",
    )
    assert stopped.progress.tokens == 2
    assert comparison.snapshot().is_running
    await b.answer("5")
    await comparison.wait()
    assert answer(comparison, "b").progress.state == "done"


async def test_stop_without_a_pane_ends_all_and_again_is_harmless(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await comparison.stop()
    await comparison.stop()
    assert not comparison.snapshot().is_running
    assert a.closed.is_set()
    assert b.closed.is_set()


async def test_a_source_that_does_not_let_go_cannot_hold_up_a_stop(
    registry: ComparisonRegistry, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multi_llm_comparator.comparison.comparison.CANCEL_TIMEOUT_S", 0.05)
    release = asyncio.Event()

    async def clinging(target: str, request: GenerationRequest) -> AsyncIterator[Event]:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        yield Loading(request_id=request.id, model="late")

    monkeypatch.setattr(source, "stream", clinging)
    comparison = await registry.create(PANES[:1])
    await comparison.send("hi")
    await asyncio.sleep(0)
    await comparison.stop()
    assert answer(comparison, "a").progress.state == "stopped"
    release.set()
    await comparison.wait()
    assert answer(comparison, "a").progress.state == "stopped"


async def test_an_answer_items_model_versions_prompt_and_times(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.emit(Loading(request_id="x", model="m1"))
    await a.emit(Loaded(request_id="x", model="m1", seconds=1.5, memory_bytes=777))
    await a.start(seed=99)
    await a.say("five")
    await a.emit(Contended(request_id="x", others=("demo-large",)))
    await a.finish()
    await b.answer("5")
    await comparison.wait()
    one = answer(comparison, "a")
    assert (one.model.name, one.model.path, one.model.fingerprint) == ("demo-small", "/models/demo-small", "sha256:m1")
    assert one.model.metadata == {"parameters": 1_000_000}
    assert {"python", "multi-llm-comparator", "torch", "llama-cpp-python"} <= set(one.versions)
    assert (one.progress.prompt, one.progress.seed) == ("What is 2 + 3?", 99)
    assert (one.figures.load_s, one.figures.memory_bytes, one.figures.contended_by) == (1.5, 777, ("demo-large",))
    times = (one.progress.requested_at, one.progress.loading_at, one.progress.started_at, one.progress.ended_at)
    assert sorted(time or 0.0 for time in times) == list(times)


async def test_a_target_that_is_no_local_model_is_known_by_its_name(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a,) = await asked(registry, source, [Pane("a", "fast_group.echelon1")])
    await a.answer("5")
    await comparison.wait()
    assert answer(comparison, "a").model_name == "fast_group.echelon1"


async def test_an_answer_that_never_ends_is_cut_off(
    registry: ComparisonRegistry, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("multi_llm_comparator.comparison.answer.MAX_ANSWER_CHARS", 10)
    comparison, (a, _b) = await asked(registry, source)
    await a.start()
    await a.say("12345", "67890", "!")
    await comparison.stop("b")
    await comparison.wait()
    assert a.closed.is_set()
    assert answer(comparison, "a").text == "1234567890"
    assert "beyond 10 characters" in (answer(comparison, "a").progress.error or "")
