"""A median with an interval, for figures of which there are few, such as speeds.

The interval is the one of order statistics: it holds the true median with at least 95% whatever the distribution is
(David and Nagaraja, "Order Statistics", section 7.1). With fewer than six values there is none at 95%, and the range
is shown as what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median

CONFIDENCE = 0.95


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
