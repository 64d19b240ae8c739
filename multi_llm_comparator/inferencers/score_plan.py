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
    """The oldest row and those of about its size that can be read with it behind the same beginning.

    Shorter rows are filled up to the longest: ``budget`` bounds the tokens with what fills them up, ``max_lines`` the
    places whose logits are wanted.
    """
    prefix = oldest.context[:length]
    fitting = [
        row
        for row in rows[:LOOKED_AT]
        if len(row.context) > length and row.context[:length] == prefix and row is not oldest
    ]
    fitting.sort(key=lambda row: abs(len(row.context) + row.tail_tokens - len(oldest.context) - oldest.tail_tokens))
    chosen = [oldest]
    context, tails = len(oldest.context) - length, oldest.tail_tokens
    for row in fitting:
        if len(chosen) >= max_rows:
            break
        new_context, new_tails = max(context, len(row.context) - length), max(tails, row.tail_tokens)
        n = len(chosen) + 1
        if n * (new_context + new_tails) > budget or n * (new_tails + 1) > max_lines:
            break
        chosen.append(row)
        context, tails = new_context, new_tails
    return chosen
