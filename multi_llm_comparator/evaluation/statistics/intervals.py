"""Intervals of a share or a mean, also where items come in clusters: questions on one passage are not independent.

Sources: Wilson 1927 for shares; Miller, "Adding Error Bars to Evals" (arXiv 2411.00640), section 2.2, for clusters;
Korn and Graubard 1998 for Wilson's interval at the effective number of items.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean of ``n`` items and between which bounds the true one is expected to be, at ``level``."""

    mean: float
    low: float
    high: float
    n: int
    level: float = LEVEL


def wilson(successes: float, n: float, z: float | None = None) -> tuple[float, float]:
    """Wilson's score interval of a share: bounds between 0 and 1, (0, 1) where there is nothing.

    Args:
        successes: how many of ``n``; not whole where ``n`` is an effective number.
        n: of how many.
        z: the quantile; None is the two-sided 95%.
    """
    if n <= 0:
        return 0.0, 1.0
    z = normal_quantile(LEVEL) if z is None else z
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)


def interval(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> Interval | None:
    """The interval of the mean of ``values`` between 0 and 1; None without any.

    Shares (nothing but 0 and 1) get Wilson's interval, at the effective number of items where these are clustered;
    means of scores get Student's, from the sums of the clusters.

    Args:
        values: one for each item.
        clusters: what each item belongs to, as long as ``values``; None: each stands alone.
    """
    n = len(values)
    if n == 0:
        return None
    mean, groups = fmean(values), _groups(values, clusters)
    is_share = all(value in (0.0, 1.0) for value in values)
    if is_share and len(groups) == n:
        return Interval(mean, *wilson(sum(values), n), n)
    if len(groups) < 2:
        # One cluster says nothing of how clusters differ.
        return Interval(mean, 0.0, 1.0, n)
    quantile = student_quantile(LEVEL, len(groups) - 1)
    error = clustered_error(values, clusters)
    if is_share:
        effective = _effective_n(mean, error, n, len(groups))
        return Interval(mean, *wilson(mean * effective, effective, quantile), n)
    if error == 0:
        # All alike: as uncertain as a share of so many clusters that are all alike.
        low, high = wilson(mean * len(groups), len(groups), quantile)
        return Interval(mean, low, high, n)
    return Interval(mean, max(0.0, mean - quantile * error), min(1.0, mean + quantile * error), n)


def clustered_error(values: Sequence[float], clusters: Sequence[Hashable] | None = None) -> float:
    """The standard error of the mean, from the sums of deviations of each cluster; of clusters of one it is the usual
    one. Infinite where there is but one cluster."""
    groups = _groups(values, clusters)
    if len(groups) < 2:
        return math.inf
    mean = fmean(values)
    squares = sum(sum(value - mean for value in group) ** 2 for group in groups)
    return math.sqrt(squares * len(groups) / (len(groups) - 1)) / len(values)


def weighted_interval(values: Sequence[float], weights: Sequence[float]) -> tuple[float, float] | None:
    """Bounds of a mean in which each value counts by its weight, such as texts by their tokens; None for fewer than two
    values: one text says nothing of how texts differ.

    The error is that of a ratio, linearised (Cochran, Sampling Techniques, 1977, section 6.4).
    """
    n, whole = len(values), sum(weights)
    if n < 2 or whole <= 0:
        return None
    mean = sum(value * weight for value, weight in zip(values, weights, strict=True)) / whole
    squares = sum((weight * (value - mean)) ** 2 for value, weight in zip(values, weights, strict=True))
    wide = student_quantile(LEVEL, n - 1) * math.sqrt(squares * n / (n - 1)) / whole
    return mean - wide, mean + wide


def normal_quantile(level: float) -> float:
    """Two-sided: 1.96 at 0.95."""
    return NormalDist().inv_cdf((1 + level) / 2)


def student_quantile(level: float, degrees: int) -> float:
    """Two-sided, of Student's distribution."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, (1 + level) / 2))


def _groups(values: Sequence[float], clusters: Sequence[Hashable] | None) -> list[list[float]]:
    if clusters is None:
        return [[value] for value in values]
    groups: defaultdict[Hashable, list[float]] = defaultdict(list)
    for value, cluster in zip(values, clusters, strict=True):
        groups[cluster].append(value)
    return list(groups.values())


def _effective_n(mean: float, error: float, n: int, clusters: int) -> float:
    """Of how many independent items a share would be as uncertain; never more than there are."""
    if error == 0:
        return clusters
    return min(float(n), mean * (1 - mean) / error**2)
