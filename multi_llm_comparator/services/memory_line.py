"""Who waits for a model's place in memory, and who goes first.

Models are to change seldom: whoever asks for one that is in memory goes straight to it, whatever others wait for, and
all who wait for one model go with the first of them. That must not keep the others waiting for ever: once one has
waited ``patience_s``, nobody else goes to another model, so that those in memory come to an end and its own is loaded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import QueueFullError


@dataclass(eq=False, slots=True)
class Waiter:
    """One request that waits for the model ``key`` since ``since`` (seconds, any clock that only grows)."""

    key: str
    name: str
    since: float


class MemoryLine:
    """The waiting requests, the longest wait first.

    Args:
        most: how many may wait at once.
        patience_s: how long one waits until all others stand back.
    """

    def __init__(self, most: int, patience_s: float) -> None:
        self.most, self.patience_s = most, patience_s
        self._waiters: list[Waiter] = []

    def __len__(self) -> int:
        return len(self._waiters)

    @property
    def models(self) -> dict[str, int]:
        """How many wait for each model, by its name."""
        return dict(Counter(waiter.name for waiter in self._waiters))

    def join(self, key: str, name: str, at: float) -> Waiter:
        """Stand at the end of the line.

        Raises:
            QueueFullError: too many wait.
        """
        if len(self._waiters) >= self.most:
            raise QueueFullError(
                f"{len(self._waiters)} requests wait for a model's place in memory already; try again later, or raise "
                "max_waiting"
            )
        waiter = Waiter(key, name, at)
        self._waiters.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Whether it has got its model or has given up."""
        self._waiters.remove(waiter)

    def may_enter(self, key: str, at: float) -> bool:
        """Whether a request may go to the model ``key``, if that is in memory."""
        first = next(iter(self._waiters), None)
        return first is None or first.key == key or at - first.since < self.patience_s

    def may_change(self, key: str) -> bool:
        """Whether a request may have others unloaded for the model ``key``: only for who has waited longest."""
        return not self._waiters or self._waiters[0].key == key
