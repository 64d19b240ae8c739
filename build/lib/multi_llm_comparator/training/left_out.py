"""What a data file has that cannot be learnt, counted by reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

MAX_REASONS = 8
OTHER = "for other reasons"


@dataclass(frozen=True, slots=True)
class Reason:
    """``count`` records or answers were left out because of ``why``; ``first`` names one of them."""

    why: str
    count: int
    first: str

    def __str__(self) -> str:
        return f"{self.count:,} left out: {self.why} ({self.first})"


class LeftOut:
    """Counts by reason; of many reasons the later ones are counted together."""

    def __init__(self) -> None:
        self._found: dict[str, Reason] = {}

    def add(self, why: str, where: str) -> None:
        if why not in self._found and len(self._found) >= MAX_REASONS:
            why = OTHER
        known = self._found.get(why)
        self._found[why] = replace(known, count=known.count + 1) if known else Reason(why, 1, where)

    def __iter__(self) -> Iterator[Reason]:
        return iter(sorted(self._found.values(), key=lambda reason: -reason.count))

    def __len__(self) -> int:
        return sum(reason.count for reason in self._found.values())

    def __str__(self) -> str:
        return "; ".join(map(str, self))
