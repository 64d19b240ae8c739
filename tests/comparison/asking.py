"""Comparisons to ask: what most tests of this room begin with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from tests.support.scripted_source import Call, ScriptedSource

PANES = (Pane("a", "m1"), Pane("b", "m2"))


def answer(comparison: Comparison, pane_id: str, turn: int = -1) -> AnswerSnapshot:
    return comparison.snapshot().turns[turn].answers[pane_id]


async def asked(
    registry: ComparisonRegistry, source: ScriptedSource, panes: Sequence[Pane] = PANES, **options: Any
) -> tuple[Comparison, list[Call]]:
    """A comparison that was sent one prompt, and the requests of its panes, in their order."""
    earlier = len(source.calls)
    comparison = await registry.create(panes, **options)
    await comparison.send("What is 2 + 3?")
    return comparison, await source.next_calls(len(panes), after=earlier)


async def finished(registry: ComparisonRegistry, source: ScriptedSource) -> Comparison:
    comparison, calls = await asked(registry, source)
    for number, call in enumerate(calls):
        await call.answer(f"answer {number}")
    await comparison.wait()
    return comparison
