"""Requests that wait for a free slot in an engine, first come, first served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from multi_llm_comparator.core.events import Queued
from multi_llm_comparator.core.requests import GenerationRequest

MAX_WAITING = 1024


class WaitingLine:
    """A bounded line that knows what to tell those who stand in it."""

    def __init__(self) -> None:
        self._requests: deque[GenerationRequest] = deque()
        self._told: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def is_full(self) -> bool:
        return len(self._requests) >= MAX_WAITING

    def join(self, request: GenerationRequest) -> None:
        self._requests.append(request)

    def take(self) -> GenerationRequest:
        """The request that has waited longest."""
        request = self._requests.popleft()
        self._told.pop(request.id, None)
        return request

    def take_first(self, fits: Callable[[GenerationRequest], bool]) -> GenerationRequest | None:
        """The one that has waited longest of those that there is room for; None when there is room for none."""
        found = next((request for request in self._requests if fits(request)), None)
        return None if found is None else self.leave(found.id)

    def leave(self, request_id: str) -> GenerationRequest | None:
        """Take a request out of the line, wherever it stands; None when it is not in it."""
        for request in self._requests:
            if request.id == request_id:
                self._requests.remove(request)
                self._told.pop(request_id, None)
                return request
        return None

    def news(self) -> list[Queued]:
        """One event for each request whose place has changed since the last call."""
        events = []
        for ahead, request in enumerate(self._requests):
            if self._told.get(request.id) != ahead:
                self._told[request.id] = ahead
                events.append(Queued(request_id=request.id, ahead=ahead))
        return events
