"""Where comparisons are kept: in memory while they matter, in the store for good."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from dataclasses import replace
from typing import Any

import pytest

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import KIND
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, RunNotFoundError, StoreError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.runs import registry as registry_module
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import PANES, answer, asked
from tests.comparison.conftest import KNOWN
from tests.support.scripted_source import ScriptedSource
from tests.tracking.records import a_run


def another_process(store: Store, source: ScriptedSource) -> ComparisonRegistry:
    """What a workbench started later sees: the same database, nothing in memory."""
    return ComparisonRegistry(RunRegistry(store), source, KNOWN.get)


async def finished(registry: ComparisonRegistry, source: ScriptedSource) -> Comparison:
    comparison, calls = await asked(registry, source)
    for number, call in enumerate(calls):
        await call.answer(f"answer {number}")
    await comparison.wait()
    return comparison


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
    running_id, running = running.id, weakref.ref(running)
    idle = await finished(registry, source)
    first_id, idle = idle.id, weakref.ref(idle)
    await finished(registry, source)
    gc.collect()
    assert running() is not None
    assert idle() is None
    assert answer(await registry.get(first_id), "a").text == "answer 0"
    assert await registry.get(running_id) is running()
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
    held_id, held = held.id, weakref.ref(held)
    for _ in range(2):
        await finished(registry, source)
    gc.collect()
    assert await registry.get(held_id) is held()
    await registry.runs.delete([held_id])


async def test_a_run_is_made_again_with_the_same_prompts_and_seeds(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    panes = (Pane("a", "m1"), Pane("b", "m2", ModelConfig(seed=5)))
    old, (a, b) = await asked(registry, source, panes)
    await a.start(seed=111)
    await a.finish()
    await b.answer("5")
    await old.wait()
    await old.send("Only b", ["b"])
    await (await source.call(2)).answer("ok")
    await old.wait()
    new = await registry.rerun(old.id)
    a, b = await source.next_calls(2, after=3)
    assert new.id != old.id
    assert (a.request.config.seed, b.request.config.seed) == (111, 5)
    assert new.snapshot().waiting_prompts == 1
    await a.answer("five")
    assert len(source.calls) == 5
    await b.answer("5")
    last = await source.call(5)
    assert (last.target, last.request.messages[-1].content) == ("m2", "Only b")
    await last.answer("ok")
    await new.wait()
    assert [turn.prompt for turn in new.snapshot().turns] == ["What is 2 + 3?", "Only b"]
    assert not new.snapshot().is_running
    assert new.snapshot().panes == old.snapshot().panes


async def test_a_run_can_be_made_again_with_fresh_seeds(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    old, (a,) = await asked(registry, source, [Pane("a", "m1")])
    await a.answer("five")
    await old.wait()
    await registry.rerun(old.id, same_seeds=False)
    assert (await source.call(1)).request.config.seed is None


async def asked_of(source: ScriptedSource, *numbers: int) -> list[tuple[str, float, str]]:
    """Answers these calls; returns whom they asked, how, and what was said before."""
    calls = [await source.call(number) for number in numbers]
    for call in calls:
        await call.answer(f"answer {call.target}")
    return [(c.target, c.request.config.temperature, c.request.messages[1:2]) for c in calls]


async def test_a_run_made_again_asks_those_who_were_asked_as_they_were_asked_then(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    cold, hot = ModelConfig(temperature=0), ModelConfig(temperature=1.0)
    old, _ = await asked(registry, source, [Pane("a", "m1", cold), Pane("b", "m2", cold)])
    await asked_of(source, 0, 1)
    await old.wait()
    await old.set_panes([Pane("a", "m1", hot), Pane("c", "m3", hot)])
    await old.send("Only c", ["c"])
    await asked_of(source, 2)
    await old.wait()
    await old.set_panes([Pane("a", "m9", hot)])
    new = await registry.rerun(old.id)
    assert await asked_of(source, 3, 4) == [("m1", 0, ()), ("m2", 0, ())]
    assert await asked_of(source, 5) == [("m3", 1.0, ())]
    await new.wait()
    assert len(source.calls) == 6
    assert new.snapshot().panes == old.snapshot().panes


async def test_a_run_made_again_goes_on_from_the_answers_that_were_picked(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    old, _ = await asked(registry, source, shared_thread=True)
    await asked_of(source, 0, 1)
    await old.wait()
    await old.choose(0, "b")
    await old.send("And then?", ["a"])
    await asked_of(source, 2)
    await old.wait()
    new = await registry.rerun(old.id)
    await asked_of(source, 3, 4)
    assert await asked_of(source, 5) == [("m1", 0.7, (Message("assistant", "answer m2"),))]
    await new.wait()
    assert new.snapshot().turns[0].is_picked


async def test_a_prompt_that_reached_nobody_is_not_sent_when_the_run_is_made_again(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    old = await finished(registry, source)
    await old.send("lost")
    await old.stop()
    await old.wait()
    stored = store.load_items(old.id)
    copy = a_run("copy", document=store.load_run(old.id).document)
    kept = [replace(item, run_id="copy") for item in stored if item.position == 0]
    store.save_run(copy, kept)
    earlier = len(source.calls)
    new = await registry.rerun("copy")
    await asked_of(source, earlier, earlier + 1)
    await new.wait()
    assert [turn.prompt for turn in new.snapshot().turns] == ["What is 2 + 3?"]
    assert len(source.calls) == earlier + 2


async def test_a_run_goes_on_otherwise_from_before_one_of_its_prompts(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await finished(registry, source)
    await comparison.send("and then?")
    for number in (2, 3):
        await (await source.call(number)).answer(f"answer {number}")
    await comparison.wait()
    before = comparison.snapshot()
    branch = await registry.branch(comparison.id, 1)
    assert comparison.snapshot() == before
    (turn,) = branch.snapshot().turns
    assert turn.prompt == before.turns[0].prompt
    assert [a.text for a in turn.answers.values()] == [a.text for a in before.turns[0].answers.values()]
    assert {a.answer_id for a in turn.answers.values()}.isdisjoint(
        a.answer_id for a in before.turns[0].answers.values()
    )
    await branch.send("and otherwise?")
    request = (await source.call(4)).request
    assert [m.content for m in request.messages if m.role == "user"] == [turn.prompt, "and otherwise?"]
    await branch.stop()
    assert await registry.runs.count() == 2


async def test_before_its_first_prompt_a_run_has_only_its_panes(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await finished(registry, source)
    branch = await registry.branch(comparison.id, 0)
    assert branch.id != comparison.id
    assert branch.snapshot().turns == ()
    assert branch.snapshot().panes == comparison.snapshot().panes
    with pytest.raises(ConfigurationError, match="none of number 2"):
        await registry.branch(comparison.id, 1)


async def test_stop_ends_the_playing_of_a_run_as_well(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    old = await finished(registry, source)
    await old.send("second")
    for call in await source.next_calls(2, after=2):
        await call.answer("x")
    await old.wait()
    new = await registry.rerun(old.id)
    await source.next_calls(2, after=4)
    await new.stop()
    await new.wait()
    assert len(new.snapshot().turns) == 1
    assert not new.snapshot().is_running
    assert len(source.calls) == 6


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
    assert "disk is full" in comparison.snapshot().save_error
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
