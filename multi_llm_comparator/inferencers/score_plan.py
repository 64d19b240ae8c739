"""What is read together: which beginning pays for being read once, and which rows fit into one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.inferencers.score_lines import Lines

if TYPE_CHECKING:
    from multi_llm_comparator.inferencers.scorer import Query

# A shorter beginning is as quick to read again.
MIN_PREFIX = 16
# So many rows are looked at for a common beginning.
LOOKED_AT = 256


@dataclass(eq=False, slots=True)
class Held:
    """A beginning that is in memory: its tokens, and what the backend keeps for them."""

    tokens: list[int]
    state: Any = None
    used_at: int = 0


@dataclass(eq=False, slots=True)
class Row:
    """A context and the tails behind it: what one line of a batch computes."""

    query: Query
    context: list[int]
    tails: list[list[int]]
    numbers: list[int]
    _done: int = 0

    @property
    def tail_tokens(self) -> int:
        """Tokens of tails that must be read: all but each one's last."""
        return sum(len(tail) - 1 for tail in self.tails)

    def add(self, lines: Lines) -> None:
        """Count the next stretch of the only tail."""
        tail = self.tails[0][self._done : self._done + len(lines)]
        self.query.tallies[self.numbers[0]].count(tail, lines)
        self._done += len(tail)

    def count(self, lines: list[Lines] | None) -> None:
        """Count all tails at once; None when they were counted in stretches."""
        for number, tail, own in zip(self.numbers, self.tails, lines or (), strict=lines is not None):
            self.query.tallies[number].count(tail, own)


@dataclass(eq=False, slots=True)
class Reading:
    """Tokens that are being read in stretches: to be held, or those of one ``row`` whose tail is long."""

    held: Held
    tokens: list[int]
    row: Row | None = field(default=None)


def common_length(a: Sequence[int], b: Sequence[int]) -> int:
    """How many tokens two texts have in common at the beginning."""
    n = min(len(a), len(b))
    if a[:n] == b[:n]:
        return n
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low


def best_prefix(oldest: Row, rows: Sequence[Row], held: Sequence[Held]) -> tuple[Held | None, int, int]:
    """Which beginning of ``oldest`` is best read once for all that share it.

    A beginning of ``n`` tokens that ``k`` rows share saves ``k * n`` tokens and costs what of it is not held yet.

    Returns:
        What is held of the oldest row, how much of that can be used, which may be more than what is best shared, and
        the length of the best beginning. One token of each context is always left to be read behind it.
    """
    context = oldest.context
    most = len(context) - 1
    known, source = max(
        ((min(common_length(one.tokens, context), most), one) for one in held),
        key=lambda pair: pair[0],
        default=(0, None),
    )
    if known < MIN_PREFIX:
        known, source = 0, None
    shared = sorted(
        (min(common_length(row.context, context), len(row.context) - 1, most) for row in rows[:LOOKED_AT]), reverse=True
    )
    best, best_value = known, sum(1 for n in shared if n >= known) * known
    for count, n in enumerate(shared, start=1):
        value = count * n - max(0, n - known)
        if n >= MIN_PREFIX and value > best_value:
            best, best_value = n, value
    return source, known, best


def together(oldest: Row, rows: Sequence[Row], length: int, budget: int, max_rows: int, max_lines: int) -> list[Row]:
    """The oldest row and the next ones that can be read with it behind the same beginning.

    ``budget`` bounds the tokens that are read, ``max_lines`` the places whose logits are wanted.
    """
    prefix = oldest.context[:length]
    chosen = [oldest]
    tokens, lines = len(oldest.context) - length + oldest.tail_tokens, oldest.tail_tokens + 1
    for row in rows[:LOOKED_AT]:
        if len(chosen) >= max_rows:
            break
        if row is oldest or len(row.context) <= length or row.context[:length] != prefix:
            continue
        tokens += len(row.context) - length + row.tail_tokens
        lines += row.tail_tokens + 1
        if tokens > budget or lines > max_lines:
            break
        chosen.append(row)
    return chosen
