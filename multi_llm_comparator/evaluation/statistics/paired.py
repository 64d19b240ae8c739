"""Two subjects on the same items: what one got right and the other did not is all that tells them apart.

Sources: McNemar 1947, exact by the binomial distribution; Newcombe 1998 (Stat. Med. 17:2635), method 10, for the
interval of the difference of two paired shares; arXiv 2411.00640, section 4, for paired differences by clusters.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Literal

from multi_llm_comparator.evaluation.statistics.intervals import (
    LEVEL,
    clustered_error,
    normal_quantile,
    student_quantile,
    wilson,
)

Method = Literal["mcnemar", "clustered", "student", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """The first subject's mean minus the second's, over the ``n`` items that both have a score for.

    ``first_only`` and ``second_only`` are the flips: items on which one scored higher than the other. ``spread`` is the
    standard deviation of the items' differences, clusters taken into account: what decides how many items are needed.
    """

    n: int
    difference: float
    low: float
    high: float
    p: float
    first_only: int
    second_only: int
    spread: float
    method: Method

    @property
    def discordance(self) -> float:
        """The share of items on which the two differ."""
        return (self.first_only + self.second_only) / self.n if self.n else 0.0


def paired(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable] | None = None, level: float = LEVEL
) -> Paired:
    """Compare two subjects, item by item.

    Right and wrong on independent items is exact McNemar; clusters of items, or scores between 0 and 1, are tested by
    Student's distribution on their differences.

    Args:
        first: scores 0 to 1 of one subject.
        second: those of the other, on the same items in the same order.
        clusters: what each item belongs to; None: each stands alone.
        level: of the interval.

    Raises:
        ValueError: the two are not of one length.
    """
    n = len(first)
    differences = [a - b for a, b in zip(first, second, strict=True)]
    if n == 0:
        return Paired(
            n=0, difference=0.0, low=-1.0, high=1.0, p=1.0, first_only=0, second_only=0, spread=0.0, method="none"
        )
    ups, downs = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    is_binary = all(value in (0.0, 1.0) for value in (*first, *second))
    is_clustered = clusters is not None and len(set(clusters)) < n
    if is_binary and not is_clustered:
        low, high, p = *_newcombe(first, second, level), mcnemar_exact(ups, downs)
        method: Method = "mcnemar"
    else:
        low, high, p = _by_student(differences, clusters if is_clustered else None, level)
        method = "clustered" if is_clustered else "student"
    error = clustered_error(differences, clusters if is_clustered else None)
    return Paired(
        n=n,
        difference=fmean(differences),
        low=low,
        high=high,
        p=p,
        first_only=ups,
        second_only=downs,
        spread=error * math.sqrt(n) if math.isfinite(error) else 0.0,
        method=method,
    )


def mcnemar_exact(first_only: int, second_only: int) -> float:
    """Two-sided: how likely so uneven flips are where each is a coin's toss; 1 without any."""
    from scipy.stats import binomtest

    flips = first_only + second_only
    return float(binomtest(first_only, flips).pvalue) if flips else 1.0


def _by_student(
    differences: Sequence[float], clusters: Sequence[Hashable] | None, level: float
) -> tuple[float, float, float]:
    from scipy.special import stdtr

    mean, error = fmean(differences), clustered_error(differences, clusters)
    degrees = (len(differences) if clusters is None else len(set(clusters))) - 1
    if degrees < 1:
        return -1.0, 1.0, 1.0
    if error == 0:
        # All alike: no test divides by nothing. Equal is equal; as many like differences are as sure as so many coins.
        return (0.0, 0.0, 1.0) if mean == 0 else (mean, mean, mcnemar_exact(degrees + 1, 0))
    wide = student_quantile(level, degrees) * error
    p = 2 * float(stdtr(degrees, -abs(mean / error)))
    return max(-1.0, mean - wide), min(1.0, mean + wide), p


def _newcombe(first: Sequence[float], second: Sequence[float], level: float) -> tuple[float, float]:
    n, z = len(first), normal_quantile(level)
    both = sum(a == b == 1 for a, b in zip(first, second, strict=True))
    neither = sum(a == b == 0 for a, b in zip(first, second, strict=True))
    one, other = sum(first) / n, sum(second) / n
    (low_1, high_1), (low_2, high_2) = wilson(sum(first), n, z), wilson(sum(second), n, z)
    phi = _phi(both, sum(first) - both, sum(second) - both, neither)

    def spread(up: float, down: float) -> float:
        return math.sqrt(max(0.0, up * up - 2 * phi * up * down + down * down))

    difference = one - other
    low = difference - spread(one - low_1, high_2 - other)
    high = difference + spread(high_1 - one, other - low_2)
    return max(-1.0, low), min(1.0, high)


def _phi(both: float, first_only: float, second_only: float, neither: float) -> float:
    """How the two go together, drawn towards nothing as method 10 has it."""
    n = both + first_only + second_only + neither
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    if margins == 0:
        return 0.0
    together = both * neither - first_only * second_only
    if together > 0:
        together = max(0.0, together - n / 2)
    return together / math.sqrt(margins)
