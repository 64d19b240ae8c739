"""Comparisons that are found again: in memory, in the store, and after the process that ran them has ended."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import KIND
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.exceptions import DocumentError, RunNotFoundError, StoreError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.runs import registry as registry_module
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import PANES, answer, asked, finished
from tests.comparison.conftest import KNOWN
from tests.support.scripted_source import ScriptedSource
from tests.tracking.records import a_run


def another_process(store: Store, source: ScriptedSource) -> ComparisonRegistry:
    """What a workbench started later sees: the same database, nothing in memory."""
    return ComparisonRegistry(RunRegistry(store), source, KNOWN.get)


async def test_the_same_run_is_the_same_object(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, _ = await asked(registry, source)
    assert await registry.get(comparison.id) is comparison


async def test_a_run_rebuilt_from_the_store_is_what_it_was(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source, shared_thread=True)
    await a.start()
    await a.say("one", " two")
    await a.finish("length")
    await b.answer("5")
    await comparison.wait()
    await comparison.continue_("a")
    await (await source.call(2)).answer(" three")
    await comparison.wait()
    await comparison.regenerate("b")
    await (await source.call(3)).fail()
    await comparison.wait()
    await comparison.select_attempt(0, "b", 1)
    await comparison.choose(0, "b")
    await comparison.rename("Sums")
    await comparison.wait()
    before = comparison.snapshot()
    after = (await another_process(store, source).get(comparison.id)).snapshot()
    assert after.turns == before.turns
    assert (after.title, after.panes, after.shared_thread) == ("Sums", before.panes, True)
    assert (after.created_at, after.status) == (before.created_at, before.status)


async def test_a_comparison_enters_the_history_with_its_first_prompt(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison = await registry.create(PANES)
    await comparison.set_shared_thread(True)
    await comparison.wait()
    assert await registry.runs.count() == 0
    with pytest.raises(RunNotFoundError):
        await another_process(store, source).get(comparison.id)
    await comparison.send("hello")
    await comparison.stop()
    assert [run.title for run in await registry.runs.list()] == ["hello"]


async def test_history_is_searched_by_prompt_answer_and_model(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await finished(registry, source)
    for text in ("2 + 3", "ANSWER 1", "demo-large"):
        assert [run.id for run in await registry.runs.list(RunFilter(text=text))] == [comparison.id]
        assert await registry.runs.count(RunFilter(text=text)) == 1
    assert await registry.runs.list(RunFilter(text="nowhere")) == []


async def test_history_leaves_out_runs_of_other_kinds(registry: ComparisonRegistry, store: Store) -> None:
    store.save_run(a_run(kind="plan"))
    assert await registry.runs.list(RunFilter(kind=KIND)) == []


async def saved(store: Store, comparison: Comparison, text: str) -> None:
    """Return when an answer with this text is in the store."""
    async with asyncio.timeout(20):
        while not any(record.text == text for record in await asyncio.to_thread(store.load_items, comparison.id)):
            await asyncio.sleep(0.01)


async def test_growing_text_is_saved_while_it_grows(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison, (a, _) = await asked(registry, source)
    await a.start()
    await a.say("so far")
    await saved(store, comparison, "so far")
    assert (await registry.runs.list())[0].status == "running"


async def test_what_an_ended_process_left_is_marked_interrupted_and_can_be_continued(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.start()
    await a.say("so far")
    await b.answer("5")
    await saved(store, comparison, "so far")
    await saved(store, comparison, "5")
    store.leases.end_all_of(registry.runs.owner)
    later = another_process(store, source)
    assert (await later.runs.list())[0].status == "interrupted"
    found = await later.get(comparison.id)
    left = answer(found, "a")
    assert (left.progress.state, left.progress.error_type, left.text) == ("failed", "AnswerInterrupted", "so far")
    assert left.progress.ended_at == left.progress.last_token_at
    assert answer(found, "b").progress.state == "done"
    assert store.load_run(comparison.id).status == "interrupted"
    await found.continue_("a")
    rest = await source.call(2)
    assert rest.request.messages[-1].content == "so far"
    await rest.answer(", so good")
    await found.wait()
    assert answer(found, "a").text == "so far, so good"


async def test_closing_interrupts_what_runs_and_saves_it(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.start()
    await a.say("so far")
    await b.answer("5")
    await registry.runs.aclose()
    assert a.closed.is_set()
    states = {record.key[2:]: (record.status, record.text) for record in store.load_items(comparison.id)}
    assert states == {"a": ("failed", "so far"), "b": ("done", "5")}
    assert store.load_run(comparison.id).status == "interrupted"


async def test_a_deleted_run_is_gone_also_while_it_runs(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison, (a, _) = await asked(registry, source)
    await a.start()
    await a.say("x")
    await registry.runs.delete([comparison.id])
    assert a.closed.is_set()
    with pytest.raises(RunNotFoundError):
        await registry.get(comparison.id)
    assert store.count_runs() == 0
    await registry.runs.delete([comparison.id])
    with pytest.raises(RunNotFoundError, match="deleted"):
        await comparison.send("still there?")


async def test_only_so_many_idle_comparisons_stay_in_memory(
    registry: ComparisonRegistry, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "MAX_IDLE", 2)
    running, (a, b) = await asked(registry, source)
    running_id, at_work = running.id, weakref.ref(running)
    idle = await finished(registry, source)
    first_id, dropped = idle.id, weakref.ref(idle)
    del running, idle
    await finished(registry, source)
    gc.collect()
    assert at_work() is not None
    assert dropped() is None
    assert answer(await registry.get(first_id), "a").text == "answer 0"
    assert await registry.get(running_id) is at_work()
    await a.answer("")
    await b.answer("")


async def test_two_pages_that_open_a_run_at_once_get_one_object(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison = await finished(registry, source)
    later = another_process(store, source)
    first, second = await asyncio.gather(later.get(comparison.id), later.get(comparison.id))
    assert first is second


async def test_a_page_that_holds_a_dropped_comparison_still_shares_it(
    registry: ComparisonRegistry, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "MAX_IDLE", 1)
    held = await finished(registry, source)
    await finished(registry, source)
    await held.send("more", ["a"])
    await source.call(4)
    held_id, seen = held.id, weakref.ref(held)
    del held
    for _ in range(2):
        await finished(registry, source)
    gc.collect()
    assert await registry.get(held_id) is seen()
    await registry.runs.delete([held_id])


async def test_a_store_that_fails_does_not_stop_the_answers_and_is_caught_up_with(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_run = store.save_run

    def failing(*args: Any, **options: Any) -> None:
        raise StoreError("the disk is full; make room and try again")

    monkeypatch.setattr(store, "save_run", failing)
    comparison, (a, b) = await asked(registry, source)
    await a.answer("five")
    await b.start()
    async with asyncio.timeout(20):
        while comparison.snapshot().save_error is None:
            await asyncio.sleep(0.01)
    assert "disk is full" in (comparison.snapshot().save_error or "")
    assert answer(comparison, "a").progress.state == "done"
    monkeypatch.setattr(store, "save_run", save_run)
    await b.finish()
    await comparison.wait()
    assert comparison.snapshot().save_error is None
    assert {record.text for record in store.load_items(comparison.id)} == {"five", ""}


async def test_a_file_that_cannot_be_hashed_costs_the_fingerprint_only(store: Store, source: ScriptedSource) -> None:
    def unreadable(info: ModelInfo) -> None:
        raise PermissionError("no")

    registry = ComparisonRegistry(RunRegistry(store), source, KNOWN.get, unreadable)
    comparison = await finished(registry, source)
    assert answer(comparison, "a").text == "answer 0"
    assert answer(comparison, "a").model.fingerprint is None


async def test_panes_on_one_model_have_it_hashed_once(store: Store, source: ScriptedSource) -> None:
    begun: list[str] = []
    go_on = threading.Event()

    def slow(info: ModelInfo) -> str:
        begun.append(info.id)
        go_on.wait(20)
        return "sha256:x"

    registry = ComparisonRegistry(RunRegistry(store), source, KNOWN.get, slow)
    comparison, calls = await asked(registry, source, [Pane(str(n), "m1") for n in range(3)])
    for call in calls:
        await call.answer("5")
    assert answer(comparison, "0").progress.state == "done"
    go_on.set()
    await comparison.wait()
    assert begun == ["m1"]
    assert {answer(comparison, str(n)).model.fingerprint for n in range(3)} == {"sha256:x"}


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 2},
        {"document": {}},
        {"document": {"panes": []}},
        {"document": {"panes": [{"id": "a", "target": "m", "config": {"warp": 1}}], "turns": []}},
    ],
)
async def test_a_stored_run_that_cannot_be_read_is_explained(
    registry: ComparisonRegistry, store: Store, changes: dict[str, Any]
) -> None:
    store.save_run(a_run("odd", **changes))
    with pytest.raises(DocumentError, match="'odd'"):
        await registry.get("odd")


async def test_a_comparison_is_named_after_its_first_prompt_with_an_ellipsis_where_that_was_cut(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await registry.create(PANES)
    await comparison.send("word " * 40)
    assert comparison.title == "word " * 15 + "word…"
    for call in await source.next_calls(2):
        await call.answer("yes")
    await comparison.wait()
