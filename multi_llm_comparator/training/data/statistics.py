"""How much there is to learn: rows, tokens, and how long rows are."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

# Upper ends of the histogram's bins, in tokens: powers of two and halfway between, up to the longest context.
EDGES = tuple(sorted({2**power for power in range(3, 21)} | {3 * 2 ** (power - 1) for power in range(4, 20)}))


@dataclass(frozen=True, slots=True)
class DataStatistics:
    """What a tuning computes. A row is one learnt answer behind its prompt; of a pair of answers both are rows.

    ``tokens`` are those of all rows, ``learnt_tokens`` those that count in the loss, ``longest`` is the longest row.
    ``lengths`` is a histogram: pairs of the most tokens that a row of the bin has, and how many rows it has.
    """

    rows: int
    tokens: int
    learnt_tokens: int
    longest: int
    lengths: tuple[tuple[int, int], ...]

    def examples(self, method: str) -> int:
        """What is learnt as one: rows, or for ``dpo`` pairs of them."""
        return self.rows // 2 if method == "dpo" else self.rows

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "tokens": self.tokens,
            "learnt_tokens": self.learnt_tokens,
            "longest": self.longest,
            "lengths": [list(one) for one in self.lengths],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(**{**data, "lengths": tuple((most, rows) for most, rows in data["lengths"])})


class Counting:
    """Counts rows one by one, in bounded memory."""

    def __init__(self) -> None:
        self._rows = self._tokens = self._learnt = self._longest = 0
        self._bins = [0] * (len(EDGES) + 1)

    def add(self, tokens: int, learnt_tokens: int) -> None:
        self._rows += 1
        self._tokens += tokens
        self._learnt += learnt_tokens
        self._longest = max(self._longest, tokens)
        self._bins[bisect_left(EDGES, tokens)] += 1

    def statistics(self) -> DataStatistics:
        edges: Sequence[int] = (*EDGES, max(self._longest, EDGES[-1] + 1))
        lengths = tuple((edge, count) for edge, count in zip(edges, self._bins, strict=True) if count)
        return DataStatistics(self._rows, self._tokens, self._learnt, self._longest, lengths)
