"""Counting what passes per minute, exactly.

Both counters take the time as an argument and never look at a clock. ``throttled-py`` was tried for this and left:
its sliding window is the usual two-bucket approximation, which lets up to 150 calls through a limit of 100 when they
come at a bucket's end, and it can neither give back a reservation nor take several limits all or none.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Protocol

WINDOW_S = 60.0


@dataclass(slots=True)
class Entry:
    """What one call took; ``gone`` once it has left its window."""

    at: float
    amount: float
    gone: bool = False


class RateCounter(Protocol):
    """Counts amounts against a limit per minute."""

    def wait_s(self, amount: float, limit: int, now: float) -> float:
        """Seconds until ``amount`` would fit if nothing else came; 0 when it fits now, infinity when it never can."""
        ...

    def take(self, amount: float, limit: int, now: float) -> Entry: ...

    def correct(self, entry: Entry, amount: float, limit: int, now: float) -> None:
        """Replace what ``entry`` took by ``amount``."""
        ...

    def used(self, limit: int, now: float) -> float: ...


class SlidingWindow:
    """In no minute, wherever it begins, more than the limit: a log of what passed in the last one."""

    def __init__(self) -> None:
        self._log: deque[Entry] = deque()
        self._sum = 0.0

    def wait_s(self, amount: float, limit: int, now: float) -> float:
        if amount > limit:
            return math.inf
        self._expire(now)
        excess = self._sum + amount - limit
        if excess <= 0:
            return 0.0
        for entry in self._log:
            excess -= entry.amount
            if excess <= 0:
                return max(entry.at + WINDOW_S - now, 0.001)
        return WINDOW_S

    def take(self, amount: float, limit: int, now: float) -> Entry:
        entry = Entry(now, amount)
        self._log.append(entry)
        self._sum += amount
        return entry

    def correct(self, entry: Entry, amount: float, limit: int, now: float) -> None:
        if not entry.gone:
            self._sum += amount - entry.amount
            entry.amount = amount

    def used(self, limit: int, now: float) -> float:
        self._expire(now)
        return self._sum

    def _expire(self, now: float) -> None:
        log = self._log
        while log and now - log[0].at >= WINDOW_S:
            entry = log.popleft()
            entry.gone = True
            self._sum -= entry.amount


class TokenBucket:
    """A bucket of ``limit`` that fills evenly within a minute: at most limit + limit * t / 60 s pass in any time t."""

    def __init__(self) -> None:
        self._spent = 0.0
        self._at = 0.0

    def wait_s(self, amount: float, limit: int, now: float) -> float:
        if amount > limit:
            return math.inf
        self._refill(limit, now)
        missing = self._spent + amount - limit
        # Refilling adds in floating point; a millionth of a token is not worth another wait.
        return 0.0 if missing <= 1e-6 else max(missing * WINDOW_S / limit, 0.001)

    def take(self, amount: float, limit: int, now: float) -> Entry:
        self._refill(limit, now)
        self._spent += amount
        return Entry(now, amount)

    def correct(self, entry: Entry, amount: float, limit: int, now: float) -> None:
        self._refill(limit, now)
        self._spent = max(0.0, self._spent + amount - entry.amount)
        entry.amount = amount

    def used(self, limit: int, now: float) -> float:
        self._refill(limit, now)
        return self._spent

    def _refill(self, limit: int, now: float) -> None:
        self._spent = max(0.0, self._spent - (now - self._at) * limit / WINDOW_S)
        self._at = now


COUNTERS: dict[str, type[SlidingWindow] | type[TokenBucket]] = {
    "sliding_window": SlidingWindow,
    "token_bucket": TokenBucket,
}
