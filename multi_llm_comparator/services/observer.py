"""What the app alone sees of an answer that a model process writes."""

from __future__ import annotations

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import WRITTEN, Contended, Event, Finished

# How often a model's memory is measured while it writes.
MEASURE_EVERY_S = 1.0


class Observer:
    """Who else decodes meanwhile, and when the model's memory is to be measured."""

    def __init__(self) -> None:
        self._neighbours: set[str] = set()
        self._most_batched = 0
        self._measured_at = now()

    def contended(self, event: Event, others: set[str], batched: int) -> Contended | None:
        """Tells of neighbours that were not there before, if there are any."""
        new = others - self._neighbours
        if not new and batched <= self._most_batched:
            return None
        self._neighbours |= new
        self._most_batched = max(self._most_batched, batched)
        return Contended(request_id=event.request_id, others=tuple(sorted(new)), batched=self._most_batched)

    def is_measuring_due(self, event: Event) -> bool:
        is_due = isinstance(event, WRITTEN) and now() - self._measured_at >= MEASURE_EVERY_S
        if is_due or isinstance(event, Finished):
            self._measured_at = now()
            return True
        return False
