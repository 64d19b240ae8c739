"""The fair queue in front of the limits.

Requests that wait for the same set of alternatives form a lane, first come first served. Between lanes the earliest
head goes first, and nobody who came later takes what it finds scarce; a request that needs nothing of that passes.
One that needs several scarce things could be passed again and again, each time another one missing: after
``MAX_PASSED`` times it keeps its claim on all of them until it is admitted, so nobody waits forever.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from multi_llm_comparator.core.exceptions import LimitExceededError, QueueFullError
from multi_llm_comparator.groups.limits import Grant, Level, LimitStore, MemoryLimits, Refusal

logger = logging.getLogger(__name__)

Alternatives = tuple[tuple[Level, ...], ...]
# With a store that other processes write to, an end there is seen by asking again.
POLL_S = 0.05
MAX_PASSED = 100


@dataclass(slots=True)
class Admission:
    """A request may go: ``choice`` is the index of the alternative that had room."""

    grant: Grant
    choice: int


@dataclass(slots=True, eq=False)
class _Waiter:
    number: int
    alternatives: Alternatives
    tokens: int
    likely: int
    keys: frozenset[str]
    future: asyncio.Future[Admission]
    claims: set[str] = field(default_factory=set)
    passed: int = 0


class Place:
    """A place in the queue; a context manager that leaves it, and gives back what came too late to be used."""

    def __init__(self, controller: ConcurrencyController, waiter: _Waiter) -> None:
        self._controller, self._waiter = controller, waiter
        self._is_taken = False

    @property
    def ahead(self) -> int:
        """How many that came earlier wait for something this request needs too."""
        return self._controller._ahead_of(self._waiter)

    async def wait(self, timeout_s: float) -> Admission | None:
        """The admission, or None when it has not come within ``timeout_s``."""
        await asyncio.wait((self._waiter.future,), timeout=timeout_s)
        if not self._waiter.future.done():
            return None
        admission = self._waiter.future.result()
        self._is_taken = True
        return admission

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._is_taken:
            self._controller._leave(self._waiter)


class ConcurrencyController:
    """Admits calls under the limits of group, echelon, model and node, and queues what must wait."""

    def __init__(
        self,
        store: LimitStore | None = None,
        *,
        queue_size: int = 1000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store: LimitStore = store or MemoryLimits(clock)
        self.queue_size = queue_size
        self._is_shared = not isinstance(self.store, MemoryLimits)
        self._levels: dict[str, Level] = {}
        self._lanes: dict[Alternatives, deque[_Waiter]] = {}
        self._claimed: Counter[str] = Counter()
        self._queues: Counter[frozenset[str]] = Counter()
        self._waiting = 0
        self._numbers = 0
        self._pump: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    def configure(self, levels: Mapping[str, Level], queue_size: int) -> None:
        """Take over a new snapshot's limits; what is counted and who waits stays."""
        self._levels, self.queue_size = dict(levels), queue_size
        self.store.forget_all_but(set(levels))
        self._wake.set()

    async def enter(self, alternatives: Alternatives, tokens: int, *, likely: int | None = None) -> Admission | Place:
        """Admit at once, by the first alternative with room, or take a place in the queue.

        Args:
            alternatives: for each model that would do, the levels a call of it counts against.
            tokens: the most the call may use; reserved until it is settled, or the whole limit if that is less.
            likely: what it may well use, which decides whether it could ever fit; ``tokens`` when absent.

        Raises:
            QueueFullError: as many wait for the same levels already as may.
            LimitExceededError: no alternative could ever admit so many tokens.
        """
        keys = frozenset(level.key for levels in alternatives for level in levels)
        likely = tokens if likely is None else likely
        _refuse_impossible(alternatives, likely)
        if not self._claimed or not any(key in self._claimed for key in keys):
            for choice, levels in enumerate(alternatives):
                answer = await self.store.take(levels, tokens) if _fits(levels, likely) else None
                if isinstance(answer, Grant):
                    return Admission(answer, choice)
        # Each set of levels has a queue of its own size: one that is full must not stop those who wait for others.
        if (waiting := self._queues[keys]) >= self.queue_size:
            raise QueueFullError(
                f"{waiting} requests wait already for {', '.join(sorted(keys))}, and no more may (queue_size)"
            )
        return Place(self, self._join(alternatives, tokens, likely, keys))

    def settle(self, grant: Grant, tokens: int, *, made: bool = True) -> None:
        """End a call that was admitted; see :meth:`LimitStore.settle`."""
        self.store.settle(grant, tokens, made=made)
        if self._waiting:
            self._wake.set()

    def _join(self, alternatives: Alternatives, tokens: int, likely: int, keys: frozenset[str]) -> _Waiter:
        loop = asyncio.get_running_loop()
        self._numbers += 1
        waiter = _Waiter(self._numbers, alternatives, tokens, likely, keys, loop.create_future())
        self._lanes.setdefault(alternatives, deque()).append(waiter)
        self._claimed.update(keys)
        self._queues[keys] += 1
        self._waiting += 1
        self._wake.set()
        if self._pump is None or self._pump.done() or self._pump.get_loop() is not loop:
            self._wake = asyncio.Event()
            self._pump = loop.create_task(self._run_pump(), name="limit queue")
        return waiter

    def _leave(self, waiter: _Waiter) -> None:
        if waiter.future.done():
            if not waiter.future.cancelled() and waiter.future.exception() is None:
                self.settle(waiter.future.result().grant, 0, made=False)
            return
        waiter.future.cancel()
        self._lanes[waiter.alternatives].remove(waiter)
        self._forget(waiter)

    def _forget(self, waiter: _Waiter) -> None:
        """Stop counting a waiter that is out of its lane."""
        self._waiting -= 1
        self._claimed.subtract(waiter.keys)
        self._queues[waiter.keys] -= 1
        if not self._queues[waiter.keys]:
            del self._queues[waiter.keys]
        for key in waiter.keys:
            if self._claimed[key] <= 0:
                del self._claimed[key]
        if not self._lanes[waiter.alternatives]:
            del self._lanes[waiter.alternatives]
        self._wake.set()

    def _ahead_of(self, waiter: _Waiter) -> int:
        ahead = 0
        for lane in self._lanes.values():
            if lane[0].keys.isdisjoint(waiter.keys):
                continue
            for other in lane:
                if other.number >= waiter.number:
                    break
                ahead += 1
        return ahead

    async def _run_pump(self) -> None:
        """Admit from the queue until nobody waits. One task at a time runs this, so a scan is never interleaved."""
        while self._waiting:
            self._wake.clear()
            try:
                wait_s = await self._scan()
            except Exception as exc:
                # The edge of a background task: those who wait get the error, or they would wait forever.
                logger.exception("the limits cannot be read")
                self._fail_all(exc)
                return
            if not self._waiting:
                return
            if self._is_shared:
                wait_s = min(wait_s or POLL_S, POLL_S)
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _scan(self) -> float | None:
        """Admit whoever can be; returns the seconds after which time alone may let one more in."""
        blocked: set[str] = set()
        passed: list[_Waiter] = []
        next_s = math.inf
        heads = [(lane[0].number, alternatives) for alternatives, lane in self._lanes.items()]
        heapq.heapify(heads)
        while heads:
            _, alternatives = heapq.heappop(heads)
            lane = self._lanes.get(alternatives)
            if not lane:
                continue
            waiter = lane[0]
            admission, wait_s = await self._try(waiter, blocked)
            if admission is None:
                blocked |= waiter.claims
                passed.append(waiter)
                next_s = min(next_s, wait_s)
                continue
            if waiter.future.done():
                self.store.settle(admission.grant, 0, made=False)
            else:
                lane.popleft()
                waiter.future.set_result(admission)
                self._forget(waiter)
                for earlier in passed:
                    earlier.passed += not earlier.keys.isdisjoint(waiter.keys)
            if lane := self._lanes.get(alternatives):
                heapq.heappush(heads, (lane[0].number, alternatives))
        return None if math.isinf(next_s) else next_s

    async def _try(self, waiter: _Waiter, blocked: set[str]) -> tuple[Admission | None, float]:
        wait_s = math.inf
        if waiter.passed < MAX_PASSED:
            waiter.claims.clear()
        for choice, levels in enumerate(waiter.alternatives):
            if not _fits(levels, waiter.likely):
                continue
            held = {level.key for level in levels} & blocked
            if held:
                waiter.claims |= held
                continue
            answer = await self.store.take(levels, waiter.tokens)
            if isinstance(answer, Refusal):
                waiter.claims.update(answer.blocked)
                wait_s = min(wait_s, answer.wait_s if answer.wait_s is not None else math.inf)
                continue
            return Admission(answer, choice), 0.0
        return None, wait_s

    def _fail_all(self, error: Exception) -> None:
        for lane in list(self._lanes.values()):
            for waiter in list(lane):
                lane.remove(waiter)
                if not waiter.future.done():
                    waiter.future.set_exception(error)
                self._forget(waiter)

    def get_status(self) -> dict[str, Any]:
        """Every level with its limits and what is counted, and how many wait for it."""
        levels = self.store.status(self._levels.values())
        for key, level in levels.items():
            level["waiting"] = self._claimed.get(key, 0)
        return {"waiting": self._waiting, "queue_size": self.queue_size, "levels": levels}

    async def aclose(self) -> None:
        """Stop the queue's task and close the store; who still waits gets an error."""
        if self._pump is not None and not self._pump.done():
            self._pump.cancel()
        self._fail_all(LimitExceededError("the gateway was closed while this request waited"))
        await self.store.aclose()


def _fits(levels: tuple[Level, ...], tokens: int) -> bool:
    return all(level.tpm is None or tokens <= level.tpm for level in levels)


def _refuse_impossible(alternatives: Alternatives, tokens: int) -> None:
    if any(_fits(levels, tokens) for levels in alternatives):
        return
    largest = max(min(level.tpm for level in levels if level.tpm is not None) for levels in alternatives)
    raise LimitExceededError(
        f"the request reserves {tokens} tokens (prompt and max_tokens) but tpm_limit allows {largest} in a minute;"
        " lower max_tokens or shorten the prompt"
    )
