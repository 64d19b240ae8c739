"""Panes that answer several times, one after another, and what their figures say together."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import answer_items, conversation_from, run_record
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.comparison.repeats import repeats_of
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError
from multi_llm_comparator.core.spread import spread_of
from tests.comparison.asking import PANES, answer, asked
from tests.support.scripted_source import Call, ScriptedSource

VALUES = st.lists(st.floats(0, 1e6), min_size=1, max_size=10)


@given(VALUES)
def test_an_interval_holds_the_median_and_lies_within_the_values(values: list[float]) -> None:
    found = spread_of(values)
    assert found is not None
    assert min(values) <= found.low <= found.median <= found.high <= max(values)


@pytest.mark.parametrize(
    ("n", "low", "high", "is_interval"), [(2, 1, 2, False), (5, 1, 5, False), (6, 1, 6, True), (9, 2, 8, True)]
)
def test_an_interval_is_promised_from_six_values_on(n: int, low: float, high: float, is_interval: bool) -> None:
    """The places for 95% are those of the tables of the sign test."""
    found = spread_of([float(value) for value in range(1, n + 1)])
    assert found is not None
    assert (found.low, found.high, found.is_interval, found.n) == (low, high, is_interval, n)


async def asked_often(registry: ComparisonRegistry, repeats: int, seed: int | None = 5) -> Comparison:
    comparison = await registry.create([Pane("a", "m1", ModelConfig(seed=seed))])
    await comparison.send("What is 2 + 3?", repeats=repeats)
    return comparison


async def test_a_pane_answers_several_times_with_seeds_that_count_up(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await asked_often(registry, 3)
    for number in range(3):
        call: Call = await source.call(number)
        await call.answer("five", "!")
    await comparison.wait()
    attempts = comparison.snapshot().turns[0].attempts["a"]
    assert [one.config.seed for one in attempts] == [5, 6, 7]
    spreads = repeats_of(attempts[-1], attempts)
    assert spreads["ttft_s"].n == 3 and spreads["tokens"].median == 2


async def test_a_stop_ends_the_repeating(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison = await asked_often(registry, 3, seed=None)
    first = await source.call(0)
    await first.start()
    await comparison.stop()
    await comparison.wait()
    assert len(source.calls) == 1


async def test_a_failure_ends_the_repeating(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison = await asked_often(registry, 3)
    await (await source.call(0)).fail()
    await comparison.wait()
    assert len(source.calls) == 1


async def test_too_many_repeats_are_refused(registry: ComparisonRegistry) -> None:
    comparison = await registry.create(PANES)
    with pytest.raises(InvalidParameterError, match="1 to 10 times"):
        await comparison.send("Hello", repeats=11)


async def test_in_turn_one_pane_is_asked_when_the_other_is_done_and_its_time_begins_then(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison = await registry.create(PANES, in_turn=True)
    await comparison.send("What is 2 + 3?")
    first = await source.call(0)
    await first.start()
    await asyncio.sleep(0.05)
    assert len(source.calls) == 1
    before = answer(comparison, "b").progress.requested_at
    await first.say("five")
    await first.finish()
    await (await source.call(1)).answer("5")
    await comparison.wait()
    assert answer(comparison, "b").progress.requested_at >= before + 0.05
    assert comparison.snapshot().in_turn


async def test_in_turn_a_stop_reaches_panes_that_wait(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, _ = await asked(registry, source, PANES[:1], in_turn=True)
    await comparison.set_panes(PANES)
    await comparison.stop()
    await comparison.send("And 7?")
    await (await source.call(1)).start()
    await comparison.stop()
    await comparison.wait()
    assert [answer(comparison, pane).progress.state for pane in "ab"] == ["stopped", "stopped"]
    assert len(source.calls) == 2


async def test_that_panes_answer_in_turn_is_stored(registry: ComparisonRegistry, source: ScriptedSource) -> None:
    comparison, _ = await asked(registry, source, PANES[:1], in_turn=True)
    await comparison.stop()
    snapshot = comparison.snapshot()
    assert conversation_from(run_record(snapshot), answer_items(snapshot)).snapshot().in_turn
