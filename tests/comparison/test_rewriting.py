"""Answers that a person edits: the conversation, or the model, goes on from them. And answers held to a form."""

from __future__ import annotations

import pytest

from multi_llm_comparator.comparison.documents import answer_items, conversation_from, run_record
from multi_llm_comparator.comparison.export import export_run
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.events import ThoughtDelta
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.requests import Message
from tests.comparison.asking import answer, asked
from tests.support.scripted_source import ScriptedSource

PANE = (Pane("a", "m1"),)


async def test_an_edited_answer_is_another_attempt_that_the_conversation_goes_on_from(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (first,) = await asked(registry, source, PANE)
    await first.answer("six")
    await comparison.wait()
    await comparison.rewrite("a", "five")
    edited = answer(comparison, "a")
    assert (edited.text, edited.attempt, edited.progress.state) == ("five", 2, "done")
    assert edited.is_written_by_hand and not edited.is_cut
    await comparison.send("And 7?")
    second = await source.call(1)
    assert second.request.messages[1] == Message("assistant", "five")
    await second.answer("twelve")
    await comparison.wait()
    await comparison.select_attempt(0, "a", 1)
    assert answer(comparison, "a", 0).text == "six"


async def test_the_model_goes_on_from_an_edited_answer(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, (first,) = await asked(registry, source, PANE)
    await first.answer("It is six.")
    await comparison.wait()
    await comparison.rewrite("a", "It is", go_on=True)
    second = await source.call(1)
    assert second.request.continue_final
    assert second.request.messages[-1] == Message("assistant", "It is")
    await second.answer(" five.")
    await comparison.wait()
    assert answer(comparison, "a").text == "It is five."
    snapshot = comparison.snapshot()
    again = conversation_from(run_record(snapshot), answer_items(snapshot)).snapshot()
    assert again.turns[0].answers["a"].text == "It is five."
    assert again.turns[0].answers["a"].is_written_by_hand


async def test_a_thought_is_no_part_of_the_text_and_stands_in_exports(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (call,) = await asked(registry, source, PANE)
    await call.start()
    await call.emit(ThoughtDelta(request_id=call.request.id, text="Two and three, hm.", tokens=5))
    await call.say("five")
    await call.finish()
    await comparison.wait()
    assert (answer(comparison, "a").text, answer(comparison, "a").thought) == ("five", "Two and three, hm.")
    for format in ("html", "markdown", "json"):
        assert "Two and three, hm." in export_run(comparison.snapshot(), format).decode()
    snapshot = comparison.snapshot()
    again = conversation_from(run_record(snapshot), answer_items(snapshot)).snapshot()
    assert again.turns[0].answers["a"].thought == "Two and three, hm."


async def test_an_empty_answer_is_refused(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, (first,) = await asked(registry, source, PANE)
    await first.answer("six")
    await comparison.wait()
    with pytest.raises(InvalidParameterError, match="empty"):
        await comparison.rewrite("a", "  ")
    assert answer(comparison, "a").text == "six"


async def test_a_panes_constraint_is_asked_for_stored_and_asked_for_again(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    held = Constraint(regex="[0-9]+")
    comparison, (first,) = await asked(registry, source, (Pane("a", "m1", constraint=held),))
    assert first.request.constraint == held
    await first.answer("5")
    await comparison.wait()
    snapshot = comparison.snapshot()
    again = conversation_from(run_record(snapshot), answer_items(snapshot)).snapshot()
    assert again.panes[0].constraint == held
    assert again.turns[0].answers["a"].constraint == held
    new = await registry.rerun(comparison.id)
    assert (await source.call(1)).request.constraint == held
    await new.stop()
