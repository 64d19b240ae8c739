"""Scoring with adapters: a scorer for each adapter and scale, so that nothing that one has read serves another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from multi_llm_comparator.core.events import Event, Failed, Finished
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.scores import ScoreRequest
from multi_llm_comparator.inferencers.request_queue import too_many
from multi_llm_comparator.inferencers.scorer import MAX_WAITING, Scorer

# With llama.cpp each has a context of its own.
MAX_SCORERS = 3

Key = tuple[str, float]


class AdaptedScorers:
    """The scorers of one engine, as one.

    Args:
        open_scorer: the engine's; given an adapter's path (empty: the base) and scale.
    """

    def __init__(self, open_scorer: Callable[[str, float], Scorer]) -> None:
        self._open = open_scorer
        self._scorers: dict[Key, Scorer] = {}
        self._waiting: deque[ScoreRequest] = deque()
        self._events: list[Event] = []

    @property
    def is_busy(self) -> bool:
        return bool(self._events or self._waiting) or any(scorer.is_busy for scorer in self._scorers.values())

    def submit(self, request: ScoreRequest) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._events.append(too_many(request.id, MAX_WAITING))
        else:
            self._waiting.append(request)
            self._place()

    def cancel(self, request_id: str) -> None:
        if any(request.id == request_id for request in self._waiting):
            self._waiting = deque(request for request in self._waiting if request.id != request_id)
            self._events.append(Finished.cancelled(request_id))
        for scorer in self._scorers.values():
            scorer.cancel(request_id)

    def step(self, *, is_shared: bool) -> list[Event]:
        """A step of each scorer that has work."""
        self._place()
        events, self._events = self._events, []
        for scorer in self._scorers.values():
            if scorer.is_busy:
                events += scorer.step(is_shared=is_shared)
        return events

    def close(self) -> None:
        for scorer in self._scorers.values():
            scorer.close()
        self._scorers.clear()
        self._waiting.clear()

    def _place(self) -> None:
        """Give those that wait to the scorer of their adapter, in order, as far as there is one or room for one."""
        while self._waiting:
            request = self._waiting[0]
            key = (request.adapter, request.config.adapter_scale if request.adapter else 1.0)
            try:
                scorer = self._scorer(key)
            except MultiLLMError as exc:
                self._waiting.popleft()
                self._events.append(Failed.of(request.id, exc))
                continue
            if scorer is None:
                return
            self._waiting.popleft()
            scorer.submit(request)

    def _scorer(self, key: Key) -> Scorer | None:
        """The scorer of an adapter; None while all there may be are busy with others."""
        scorer = self._scorers.pop(key, None)
        if scorer is None:
            if len(self._scorers) >= MAX_SCORERS:
                idle = next((known for known, other in self._scorers.items() if not other.is_busy), None)
                if idle is None:
                    return None
                self._scorers.pop(idle).close()
            scorer = self._open(*key)
        # The one used last is the last to be closed.
        self._scorers[key] = scorer
        return scorer
