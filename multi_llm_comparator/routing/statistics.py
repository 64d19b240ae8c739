"""What became of routed questions, counted since the start. Any thread may count."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from multi_llm_comparator.routing.decision import RoutingDecision

MAX_NAMES = 1000
MORE = "(others)"


class RoutingCounts:
    """Bounded: of more than ``MAX_NAMES`` targets the rest is counted together."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = self._answered = self._failed = self._fell_back = self._cached = 0
        self._seconds = 0.0
        self._by: dict[str, Counter[str]] = {
            name: Counter() for name in ("strategy_usage", "task_usage", "target_usage", "decided_by")
        }

    def decided(self, decision: RoutingDecision) -> None:
        """A question was decided on, whether or not it is asked then."""
        with self._lock:
            self._cached += decision.is_cached

    def asked(self, decision: RoutingDecision) -> None:
        """It is asked."""
        with self._lock:
            self._total += 1
            said = (decision.strategy, decision.task_type, decision.target, decision.decided_by)
            for counter, name in zip(self._by.values(), said, strict=True):
                counter[name if name in counter or len(counter) < MAX_NAMES else MORE] += 1

    def ended(self, seconds: float, *, answered: bool, fell_back: bool = False) -> None:
        """It was answered, or not; ``seconds`` from the question to the end."""
        with self._lock:
            self._answered += answered
            self._failed += not answered
            self._fell_back += fell_back
            self._seconds += seconds if answered else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The counts. ``success_rate`` is a share of those that ended and 1.0 before any did; ``average_latency`` is
        in seconds, of those that were answered, and 0.0 before any was."""
        with self._lock:
            ended = self._answered + self._failed
            return {
                "total_requests": self._total,
                "success_rate": self._answered / ended if ended else 1.0,
                "average_latency": self._seconds / self._answered if self._answered else 0.0,
                "running": self._total - ended,
                "failed": self._failed,
                "fell_back": self._fell_back,
                "decisions_from_cache": self._cached,
                **{name: dict(counter) for name, counter in self._by.items()},
            }
