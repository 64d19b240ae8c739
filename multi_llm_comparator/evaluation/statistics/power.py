"""What so many items can show, and how many would show a difference: before a run, and after it.

Source: Connor 1987 (Biometrics 43:207) for the number of pairs of McNemar's test; arXiv 2411.00640, section 5, in the
form with the spread of paired differences.
"""

from __future__ import annotations

import math
from statistics import NormalDist

ALPHA, POWER = 0.05, 0.8
# As much of two models' answers differs in right and wrong where nothing is known of them.
USUAL_DISCORDANCE = 0.2
MAX_NEEDED = 10_000_000


def smallest_difference(n: int, discordance: float = USUAL_DISCORDANCE, *, comparisons: int = 1) -> float | None:
    """The smallest difference of two shares that a run of ``n`` items shows in four of five cases; None: not any.

    Args:
        n: the items.
        discordance: the share of them on which the two subjects differ.
        comparisons: how many pairs are tested at once; each is held to a stricter level then.
    """
    if n <= 0 or discordance <= 0:
        return None
    low, high = 0.0, min(1.0, discordance)
    if n < _needed(high, discordance, comparisons) or round(n * high) < _least_flips(comparisons):
        return None
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if _needed(middle, discordance, comparisons) <= n else (middle, high)
    return max(high, _least_flips(comparisons) / n)


def items_needed(difference: float, spread: float, *, comparisons: int = 1) -> int | None:
    """How many items show a difference of this size in four of five cases; None where there is none to be shown.

    Args:
        difference: of the two means.
        spread: standard deviation of the items' differences (:attr:`Paired.spread`).
        comparisons: as above.
    """
    if difference == 0 or spread <= 0:
        return None
    # Under the null hypothesis the differences spread by their mean more.
    wanted = _needed(abs(difference), spread * spread + difference * difference, comparisons)
    if wanted > MAX_NEEDED:
        return None
    return max(math.ceil(wanted), math.ceil(_least_flips(comparisons) / abs(difference)))


def rounded_up(count: int) -> int:
    """To two digits that mean something: 383 is about 390."""
    if count < 100:
        return count
    unit = 10 ** (len(str(count)) - 2)
    return int(unit * math.ceil(count / unit))


def _needed(difference: float, discordance: float, comparisons: int) -> float:
    if difference <= 0:
        return math.inf
    z = NormalDist().inv_cdf
    at_null = z(1 - ALPHA / comparisons / 2) * math.sqrt(discordance)
    at_truth = z(POWER) * math.sqrt(max(0.0, discordance - difference**2))
    return float(((at_null + at_truth) / difference) ** 2)


def _least_flips(comparisons: int) -> int:
    """Fewer flips than these show nothing, even if all go one way: exact McNemar has no smaller p."""
    return 1 + math.ceil(math.log2(comparisons / ALPHA))
