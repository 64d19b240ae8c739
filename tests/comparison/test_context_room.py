"""How a prompt would fit into a pane's context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.comparison.context_room import estimated_tokens, room_for
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.config import ModelConfig
from tests.comparison.asking import asked
from tests.support.scripted_source import ScriptedSource


@given(st.text(max_size=200), st.text(max_size=200))
def test_a_longer_text_is_never_estimated_shorter(a: str, b: str) -> None:
    assert estimated_tokens(a) <= estimated_tokens(a + b)
    assert estimated_tokens("") == 0


@pytest.mark.parametrize(("chars", "fits", "is_cut"), [(360, True, False), (3_600, True, True), (36_000, False, True)])
def test_a_prompt_fits_leaves_a_short_answer_or_does_not_fit(chars: int, fits: bool, is_cut: bool) -> None:
    room = room_for("x" * chars, Pane("a", "m1", ModelConfig(n_ctx=1200, max_tokens=512)))
    assert (room.fits, room.is_cut, room.is_measured) == (fits, is_cut, False)


async def test_what_a_model_has_read_measures_what_it_will(
    registry: ComparisonRegistry, source: ScriptedSource
) -> None:
    comparison, (call,) = await asked(registry, source, (Pane("a", "m1"),))
    await call.answer("five")
    await comparison.wait()
    await comparison.send("word " * 100)
    second = await source.call(1)
    await second.start(prompt_tokens=1000)
    await second.say("yes")
    await second.finish()
    await comparison.wait()
    snapshot = comparison.snapshot()
    room = room_for("x" * 100, snapshot.panes[0], snapshot)
    assert room.is_measured
    assert room.before == 1001
    read = len(snapshot.turns[1].answers["a"].legs[0].prompt)
    assert room.prompt == pytest.approx(100 * 1000 / read, abs=1)
