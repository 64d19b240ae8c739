"""Limits of several levels taken all or none: concurrency, requests and tokens per minute.

A call takes a :class:`Grant` before it starts, with the tokens it may need at most reserved, and settles it when it
ends. Stores never wait; waiting is the :class:`ConcurrencyController`'s.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from multi_llm_comparator.groups.windows import COUNTERS, Entry, RateCounter


@dataclass(frozen=True, slots=True)
class Level:
    """One limited thing: ``key`` is its id and outlives reloads, the limits are the current snapshot's."""

    key: str
    concurrency: int | None = None
    rpm: int | None = None
    tpm: int | None = None
    algorithm: str = "sliding_window"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not now. ``wait_s`` is the time after which it may fit, None when only a call's end can help."""

    blocked: tuple[str, ...]
    wait_s: float | None


@dataclass(slots=True)
class Grant:
    """What one call holds. ``store_data`` is the store's own."""

    levels: tuple[Level, ...]
    tokens: int
    store_data: Any = None


class LimitStore(Protocol):
    """Where the counts are kept."""

    async def take(self, levels: tuple[Level, ...], tokens: int) -> Grant | Refusal:
        """Count a call at all levels or at none; of ``tokens`` no level counts more than its whole limit."""
        ...

    def settle(self, grant: Grant, tokens: int, *, made: bool = True) -> None:
        """End a call: free its places and correct its tokens. ``made=False``: it never happened, nothing counts."""
        ...

    def status(self, levels: Iterable[Level]) -> dict[str, dict[str, Any]]: ...

    def forget_all_but(self, keys: set[str]) -> None:
        """Drop what is kept for levels outside ``keys``, where nothing is counted any more."""
        ...

    async def aclose(self) -> None: ...


class _Rate:
    """The counter in use, and those of earlier algorithms, with which running calls still settle."""

    def __init__(self) -> None:
        self.by_algorithm: dict[str, RateCounter] = {}
        self._current = ""

    def counter(self, algorithm: str, limit: int, now: float) -> RateCounter:
        """The counter of ``algorithm``; one that begins or comes back takes over what another has counted."""
        found = self.by_algorithm.get(algorithm)
        if found is None:
            found = self.by_algorithm[algorithm] = COUNTERS[algorithm]()
        if self._current not in ("", algorithm):
            missing = self.by_algorithm[self._current].used(limit, now) - found.used(limit, now)
            if missing > 0:
                found.take(missing, limit, now)
        self._current = algorithm
        return found

    def used(self, algorithm: str, limit: int | None, now: float) -> float:
        found = self.by_algorithm.get(algorithm)
        return found.used(limit, now) if found and limit else 0


@dataclass(slots=True)
class _Counts:
    active: int = 0
    requests: _Rate = field(default_factory=_Rate)
    tokens: _Rate = field(default_factory=_Rate)


class MemoryLimits:
    """Counts of this process. ``take`` never suspends, so within one event loop it is atomic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: dict[str, _Counts] = {}

    async def take(self, levels: tuple[Level, ...], tokens: int) -> Grant | Refusal:
        return self.take_now(levels, tokens)

    def take_now(self, levels: tuple[Level, ...], tokens: int) -> Grant | Refusal:
        now = self._clock()
        blocked: list[str] = []
        wait_s: float | None = None
        for level in levels:
            is_full, rate_wait = self._check(level, tokens, now)
            if is_full or rate_wait > 0:
                blocked.append(level.key)
            if rate_wait > 0:
                wait_s = max(wait_s or 0.0, rate_wait)
        if blocked:
            return Refusal(tuple(blocked), wait_s)
        return Grant(levels, tokens, [self._enter(level, tokens, now) for level in levels])

    def _check(self, level: Level, tokens: int, now: float) -> tuple[bool, float]:
        counts = self._counts.get(level.key)
        if counts is None:
            counts = self._counts[level.key] = _Counts()
        wait = 0.0
        if level.rpm is not None:
            wait = counts.requests.counter(level.algorithm, level.rpm, now).wait_s(1, level.rpm, now)
        if level.tpm is not None:
            counter = counts.tokens.counter(level.algorithm, level.tpm, now)
            wait = max(wait, counter.wait_s(min(tokens, level.tpm), level.tpm, now))
        return level.concurrency is not None and counts.active >= level.concurrency, wait

    def _enter(self, level: Level, tokens: int, now: float) -> tuple[Entry | None, Entry | None]:
        counts = self._counts[level.key]
        counts.active += 1
        request = token = None
        if level.rpm is not None:
            request = counts.requests.counter(level.algorithm, level.rpm, now).take(1, level.rpm, now)
        if level.tpm is not None:
            counter = counts.tokens.counter(level.algorithm, level.tpm, now)
            token = counter.take(min(tokens, level.tpm), level.tpm, now)
        return request, token

    def settle(self, grant: Grant, tokens: int, *, made: bool = True) -> None:
        entries: Sequence[tuple[Entry | None, Entry | None]] | None = grant.store_data
        if entries is None:
            return
        grant.store_data = None
        now = self._clock()
        for level, (request, token) in zip(grant.levels, entries, strict=True):
            counts = self._counts[level.key]
            counts.active -= 1
            if request is not None and level.rpm is not None and not made:
                counts.requests.by_algorithm[level.algorithm].correct(request, 0, level.rpm, now)
            if token is not None and level.tpm is not None:
                counts.tokens.by_algorithm[level.algorithm].correct(token, tokens if made else 0, level.tpm, now)

    def status(self, levels: Iterable[Level]) -> dict[str, dict[str, Any]]:
        now = self._clock()
        return {level.key: self._level_status(level, now) for level in levels}

    def _level_status(self, level: Level, now: float) -> dict[str, Any]:
        counts = self._counts.get(level.key) or _Counts()
        return {
            "active": counts.active,
            "concurrency_limit": level.concurrency,
            "requests_in_window": counts.requests.used(level.algorithm, level.rpm, now),
            "rpm_limit": level.rpm,
            "tokens_in_window": counts.tokens.used(level.algorithm, level.tpm, now),
            "tpm_limit": level.tpm,
            "algorithm": level.algorithm,
        }

    def forget_all_but(self, keys: set[str]) -> None:
        now = self._clock()
        for key in [key for key in self._counts if key not in keys]:
            counts = self._counts[key]
            # The limit is gone with its configuration; 1 only scales the bucket's refill, which is then slow: safe.
            rates = (*counts.requests.by_algorithm.values(), *counts.tokens.by_algorithm.values())
            if not counts.active and not any(rate.used(1, now) for rate in rates):
                del self._counts[key]

    async def aclose(self) -> None:
        return None
