"""Runs that are made again, prompt by prompt, and runs that go on otherwise from before a prompt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import asked, finished
from tests.support.scripted_source import ScriptedSource
from tests.tracking.records import a_run


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


async def asked_of(source: ScriptedSource, *numbers: int) -> list[tuple[str, float, tuple[Message, ...]]]:
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
