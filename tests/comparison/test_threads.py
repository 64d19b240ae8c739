"""What each pane gets to read, and what a comparison may be made of."""

from __future__ import annotations

import pytest

from multi_llm_comparator.comparison.limits import MAX_PANES, MAX_PROMPT_CHARS
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError, InvalidParameterError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import PANES, answer, asked
from tests.comparison.conftest import KNOWN
from tests.support.scripted_source import ScriptedSource


async def test_each_pane_goes_on_from_its_own_answers(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.answer("five")
    await b.answer("5")
    await comparison.wait()
    await comparison.send("And 7?")
    a, b = await source.next_calls(2, after=2)
    first = Message("user", "What is 2 + 3?")
    assert a.request.messages == (first, Message("assistant", "five"), Message("user", "And 7?"))
    assert b.request.messages == (first, Message("assistant", "5"), Message("user", "And 7?"))


async def test_a_pane_that_was_not_asked_does_not_hear_of_it(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.answer("five")
    await b.answer("5")
    await comparison.wait()
    assert await comparison.send("Only you.", ["b"]) == 1
    only = await source.call(2)
    await only.answer("Yes.")
    await comparison.wait()
    assert set(comparison.snapshot().turns[1].answers) == {"b"}
    await comparison.send("Both.")
    a, b = await source.next_calls(2, after=3)
    assert [m.content for m in a.request.messages] == ["What is 2 + 3?", "five", "Both."]
    assert [m.content for m in b.request.messages] == ["What is 2 + 3?", "5", "Only you.", "Yes.", "Both."]


async def test_a_turn_without_text_is_left_out_so_that_roles_alternate(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.fail()
    await b.answer("5")
    await comparison.wait()
    await comparison.send("And 7?")
    a, _ = await source.next_calls(2, after=2)
    assert a.request.messages == (Message("user", "And 7?"),)


async def test_a_shared_thread_goes_on_from_the_first_panes_answer_or_the_one_chosen(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source, shared_thread=True)
    await a.answer("five")
    await b.answer("5")
    await comparison.wait()
    assert comparison.snapshot().turns[0].chosen == "a"
    await comparison.send("And 7?")
    a, b = await source.next_calls(2, after=2)
    assert a.request.messages == b.request.messages
    assert a.request.messages[1] == Message("assistant", "five")
    await a.fail()
    await b.answer("12")
    await comparison.wait()
    assert comparison.snapshot().turns[1].chosen == "b"
    await comparison.choose(0, "b")
    await comparison.send("Sure?")
    a, b = await source.next_calls(2, after=4)
    expected = ["What is 2 + 3?", "5", "And 7?", "12", "Sure?"]
    assert [m.content for m in a.request.messages] == [m.content for m in b.request.messages] == expected


async def test_a_shared_thread_waits_for_all_panes(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, (a, b) = await asked(registry, source, shared_thread=True)
    await a.answer("five")
    with pytest.raises(InferenceError, match="'b' is still answering"):
        await comparison.send("Next", ["a"])
    await b.answer("5")
    await comparison.wait()
    await comparison.set_shared_thread(False)
    await comparison.send("Next", ["a"])
    assert (await source.call(2)).request.messages[1].content == "five"


async def test_only_an_answer_with_text_can_be_chosen(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.fail()
    await b.answer("5")
    await comparison.wait()
    for pane_id in ("a", "nobody"):
        with pytest.raises(ConfigurationError, match="no text"):
            await comparison.choose(0, pane_id)
    with pytest.raises(ConfigurationError, match="no turn 7"):
        await comparison.choose(7, "b")


@pytest.mark.parametrize("prompt", ["", " \n", "x" * (MAX_PROMPT_CHARS + 1)])
async def test_a_prompt_that_cannot_be_sent_changes_nothing(registry: ComparisonRegistry, prompt: str) -> None:
    comparison = await registry.create(PANES)
    before = comparison.snapshot()
    with pytest.raises(InvalidParameterError):
        await comparison.send(prompt)
    with pytest.raises(ConfigurationError, match="no pane 'z'"):
        await comparison.send("hi", ["z"])
    assert comparison.snapshot() is before


@pytest.mark.parametrize(
    "panes",
    [
        [],
        [Pane(str(n), "m1") for n in range(MAX_PANES + 1)],
        [Pane("a", "m1"), Pane("a", "m2")],
        [Pane("a b", "m1")],
        [Pane("", "m1")],
        [Pane("a", "")],
        [Pane("a", "m1", ModelConfig(temperature=9))],
        [Pane("a", "m1", ModelConfig(system_prompt="x" * (MAX_PROMPT_CHARS + 1)))],
    ],
)
async def test_panes_that_cannot_be_are_refused(registry: ComparisonRegistry, panes: list[Pane]) -> None:
    with pytest.raises(ConfigurationError):
        await registry.create(panes)
    comparison = await registry.create(PANES)
    with pytest.raises(ConfigurationError):
        await comparison.set_panes(panes)
    assert comparison.snapshot().panes == PANES


async def test_changing_panes_while_answers_run_only_concerns_what_follows(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await comparison.set_panes([Pane("a", "m2")])
    await a.answer("five")
    await b.answer("5")
    await comparison.wait()
    assert (answer(comparison, "a").target, answer(comparison, "b").text) == ("m1", "5")
    await comparison.send("And 7?")
    third = await source.call(2)
    assert (third.target, third.request.messages[1].content) == ("m2", "five")


async def test_the_title_is_the_first_prompt_until_it_gets_another(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, _calls = await asked(registry, source)
    assert comparison.title == "What is 2 + 3?"
    await comparison.rename("  Sums \n and more ")
    assert comparison.title == "Sums and more"
    with pytest.raises(InvalidParameterError):
        await comparison.rename(" ")
    await comparison.stop()


async def test_a_prompt_with_half_a_character_is_asked_and_kept_as_one_that_can_be_read_again(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource
) -> None:
    comparison = await registry.create([Pane("a", "m1")])
    await comparison.send("cut emoji \ud83d\x00")
    call = await source.call(0)
    await call.answer("answer")
    await comparison.wait()
    assert call.request.messages[-1].content == "cut emoji \ufffd\ufffd"
    found = await ComparisonRegistry(RunRegistry(store), source, KNOWN.get).get(comparison.id)
    assert found.snapshot().turns == comparison.snapshot().turns
