"""How far two who judge the same agree, beyond what chance would make of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """Cohen's kappa over ``n`` items that both judged; None where it is not defined: nothing was judged by both, or
    both said the same of everything."""

    kappa: float | None
    n: int
    same: int


def cohens_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> Agreement:
    """Agreement of two on the same items (Cohen 1960, Educ. Psychol. Meas. 20:37), categories without order.

    Raises:
        ValueError: the two are not of one length.
    """
    n = len(first)
    same = sum(a == b for a, b in zip(first, second, strict=True))
    if n == 0:
        return Agreement(None, 0, 0)
    ours, theirs = Counter(first), Counter(second)
    by_chance = sum(ours[category] * theirs[category] for category in ours) / n**2
    if by_chance == 1:
        return Agreement(None, n, same)
    return Agreement((same / n - by_chance) / (1 - by_chance), n, same)
