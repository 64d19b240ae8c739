"""Regenerate, retry, continue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, InferenceError
from multi_llm_comparator.core.requests import Message
from tests.comparison.asking import PANES, answer, asked
from tests.support.scripted_source import ScriptedSource


async def test_regenerate_adds_an_attempt_and_earlier_ones_can_be_selected(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.answer("four")
    await b.answer("5")
    await comparison.wait()
    await comparison.regenerate("a")
    again = await source.call(2)
    assert again.request.messages == a.request.messages
    await again.answer("five")
    await comparison.wait()
    assert (answer(comparison, "a").text, answer(comparison, "a").attempt) == ("five", 2)
    assert [one.text for one in comparison.snapshot().turns[0].attempts["a"]] == ["four", "five"]
    await comparison.select_attempt(0, "a", 1)
    assert (answer(comparison, "a").text, answer(comparison, "a").attempts) == ("four", 2)
    await comparison.send("Sure?")
    assert (await source.call(3)).request.messages[1].content == "four"
    with pytest.raises(ConfigurationError, match="attempts 1 to 2"):
        await comparison.select_attempt(0, "a", 3)


async def test_regenerate_keeps_a_seed_that_was_set(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, (a,) = await asked(registry, source, [Pane("a", "m1", ModelConfig(seed=42))])
    await a.answer("four")
    await comparison.wait()
    await comparison.regenerate("a")
    assert (await source.call(1)).request.config == a.request.config


async def test_another_answer_has_a_new_seed_and_the_pane_keeps_its_own(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a,) = await asked(registry, source, [Pane("a", "m1", ModelConfig(seed=42))])
    await a.answer("four")
    await comparison.wait()
    await comparison.regenerate("a", new_seed=True)
    again = await source.call(1)
    assert again.request.config.seed not in (None, 42)
    assert replace(again.request.config, seed=42) == a.request.config
    assert answer(comparison, "a").config.seed == again.request.config.seed
    assert comparison.snapshot().panes[0].config.seed == 42


async def test_regenerate_uses_the_panes_parameters_of_now_and_asks_a_new_pane_for_the_first_time(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.answer("four")
    await b.answer("5")
    await comparison.wait()
    await comparison.set_panes([Pane("a", "m2", ModelConfig(top_k=3)), Pane("c", "m1", ModelConfig(seed=9))])
    await comparison.regenerate("a")
    await comparison.regenerate("c")
    a, c = await source.next_calls(2, after=2)
    assert (a.target, a.request.config.top_k) == ("m2", 3)
    assert (c.target, c.request.config.seed) == ("m1", 9)
    assert answer(comparison, "c").attempts == 1


async def test_retry_asks_again_with_the_same_model_parameters_and_seed(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.start(seed=1234)
    await a.fail()
    await comparison.set_panes([Pane("a", "m2", ModelConfig(top_k=3)), PANES[1]])
    await comparison.retry("a")
    again = await source.call(2)
    assert (again.target, again.request.messages) == ("m1", a.request.messages)
    assert again.request.config == replace(a.request.config, seed=1234)
    await again.answer("five")
    await b.answer("5")
    await comparison.wait()
    assert (answer(comparison, "a").attempt, answer(comparison, "a").text) == (2, "five")
    with pytest.raises(InferenceError, match="did not fail"):
        await comparison.retry("a")


@pytest.mark.parametrize("ending", ["stop", "length", "failure"])
async def test_continue_goes_on_from_the_text_so_far_and_keeps_the_figures_of_both_legs(
    registry: ComparisonRegistry, source: ScriptedSource, ending: str
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await b.answer("5")
    await a.start(prompt_tokens=11)
    await a.say("one", " two")
    if ending == "stop":
        await comparison.stop("a")
    else:
        await (a.finish("length") if ending == "length" else a.fail())
    await comparison.wait()
    await comparison.continue_("a")
    rest = await source.call(2)
    assert rest.request.continue_final
    assert rest.request.messages == (*a.request.messages, Message("assistant", "one two"))
    assert answer(comparison, "a").text == "one two"
    await rest.start(prompt_tokens=13)
    await rest.say(" three", "!")
    await rest.finish()
    await comparison.wait()
    whole = answer(comparison, "a")
    assert (whole.text, whole.attempts, whole.progress.state) == ("one two three!", 1, "done")
    assert [(leg.text, leg.tokens, leg.prompt_tokens) for leg in whole.legs] == [("one two", 2, 11), (" three!", 2, 13)]
    assert (whole.figures.tokens, whole.figures.prompt_tokens, whole.figures.legs) == (4, 11, 2)
    assert [tokens for _, tokens in whole.curve] == [1, 2, 3, 4]
    with pytest.raises(InferenceError, match="cannot go on"):
        await comparison.continue_("a")


async def test_an_answer_without_text_cannot_be_continued(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, (_a, _b) = await asked(registry, source)
    await comparison.stop()
    with pytest.raises(InferenceError, match="cannot go on"):
        await comparison.continue_("a")


async def test_nothing_can_be_done_again_before_something_was_asked(registry: ComparisonRegistry) -> None:
    comparison = await registry.create(PANES)
    for action in (comparison.regenerate, comparison.retry, comparison.continue_):
        with pytest.raises(InferenceError, match="send a prompt first"):
            await action("a")
        with pytest.raises((InferenceError, ConfigurationError)):
            await action("nobody")


async def test_a_pane_that_is_answering_cannot_be_asked_again(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (_a, b) = await asked(registry, source)
    for action in (comparison.send("x"), comparison.regenerate("a"), comparison.continue_("a")):
        with pytest.raises(InferenceError):
            await action
    assert len(comparison.snapshot().turns) == 1
    await b.answer("5")
    await comparison.send("Just you", ["b"])
    assert (await source.call(2)).target == "m2"
