"""Requests that wait for a free slot in an engine: first come, first served, with a head start by priority."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from itertools import count

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Failed, Queued
from multi_llm_comparator.core.exceptions import InferenceError
from multi_llm_comparator.core.requests import GenerationRequest, Priority

MAX_WAITING = 1024
# Whoever has waited so much longer goes first all the same: nobody waits for ever.
HEAD_START_S: dict[Priority, float] = {"low": 0.0, "normal": 15.0, "high": 30.0}


def too_many(request_id: str, waiting: int) -> Failed:
    """Said to a request that finds no place in a line."""
    return Failed.of(request_id, InferenceError(f"{waiting} requests wait already; try again later"))


class WaitingLine:
    """A bounded line that knows what to tell those who stand in it."""

    def __init__(self) -> None:
        self._line: list[tuple[float, int, GenerationRequest]] = []
        self._numbers = count()
        self._told: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._line)

    def __iter__(self) -> Iterator[GenerationRequest]:
        return (request for _, _, request in self._line)

    @property
    def is_full(self) -> bool:
        return len(self._line) >= MAX_WAITING

    def join(self, request: GenerationRequest) -> None:
        rank = now() - HEAD_START_S[request.priority]
        insort(self._line, (rank, next(self._numbers), request))

    def take(self) -> GenerationRequest:
        """The request that is next."""
        _, _, request = self._line.pop(0)
        self._told.pop(request.id, None)
        return request

    def take_first(self, fits: Callable[[GenerationRequest], bool]) -> GenerationRequest | None:
        """The next of those that there is room for; None when there is room for none."""
        found = next((request for request in self if fits(request)), None)
        return None if found is None else self.leave(found.id)

    def leave(self, request_id: str) -> GenerationRequest | None:
        """Take a request out of the line, wherever it stands; None when it is not in it."""
        for place, request in enumerate(self):
            if request.id == request_id:
                del self._line[place]
                self._told.pop(request_id, None)
                return request
        return None

    def news(self) -> list[Queued]:
        """One event for each request whose place has changed since the last call."""
        events = []
        for ahead, request in enumerate(self):
            if self._told.get(request.id) != ahead:
                self._told[request.id] = ahead
                events.append(Queued(request_id=request.id, ahead=ahead))
        return events
