"""What several answers to one request say together: a median and an interval for each figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace

from multi_llm_comparator.comparison.figures import Figures
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.core.spread import Spread, spread_of

MAX_REPEATS = 10
# What is a quantity of the answer itself; the others say with whom it was written.
_MEASURED = tuple(
    f.name
    for f in fields(Figures)
    if f.name not in ("contended_by", "batched_with", "legs", "cost_usd", "cached_tokens")
)


def repeats_of(answer: AnswerSnapshot, attempts: Sequence[AnswerSnapshot]) -> dict[str, Spread]:
    """Of each figure the spread over all finished attempts that were asked as this one was, but for the seed.

    Empty for fewer than two of them. Attempts that were continued or edited have other figures and are left out.
    """
    alike = [other.figures for other in attempts if is_repeat(other, answer)]
    if len(alike) < 2:
        return {}
    known: Mapping[str, list[float]] = {
        name: [value for figures in alike if (value := getattr(figures, name)) is not None] for name in _MEASURED
    }
    return {name: found for name, values in known.items() if len(values) > 1 and (found := spread_of(values))}


def is_repeat(other: AnswerSnapshot, answer: AnswerSnapshot) -> bool:
    return (
        other.progress.state == "done"
        and len(other.legs) == 1
        and not other.is_written_by_hand
        and other.target == answer.target
        and other.constraint == answer.constraint
        and replace(other.config, seed=None) == replace(answer.config, seed=None)
    )
