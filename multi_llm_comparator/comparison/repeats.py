"""What several answers to one request say together: a median and an interval for each figure.

The interval is the one of order statistics: it holds the true median with at least 95% whatever the distribution is
(David and Nagaraja, "Order Statistics", section 7.1). With fewer than six answers there is none at 95%, and the range
is shown as what it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import comb
from statistics import median

from multi_llm_comparator.comparison.figures import Figures
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot

MAX_REPEATS = 10
CONFIDENCE = 0.95
# What is a quantity of the answer itself; the others say with whom it was written.
_MEASURED = tuple(
    f.name
    for f in fields(Figures)
    if f.name not in ("contended_by", "batched_with", "legs", "cost_usd", "cached_tokens")
)


@dataclass(frozen=True, slots=True)
class Spread:
    """``median`` of ``n`` values, and an interval; ``is_interval`` where it holds the true median with 95%, else
    ``low`` and ``high`` are the least and the greatest value."""

    median: float
    low: float
    high: float
    n: int
    is_interval: bool


def spread_of(values: Sequence[float]) -> Spread | None:
    """None for no value at all."""
    if not values:
        return None
    ordered, n = sorted(values), len(values)
    # The interval from the k-th to the (n+1-k)-th value misses the median with twice the chance of fewer than k heads.
    k, chance = 0, 1.0
    for heads in range(n // 2):
        missed = 2 * sum(comb(n, i) for i in range(heads + 1)) / 2**n
        if missed > 1 - CONFIDENCE:
            break
        k, chance = heads + 1, missed
    at = max(k, 1)
    return Spread(median(ordered), ordered[at - 1], ordered[n - at], n, k > 0 and chance <= 1 - CONFIDENCE)


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
