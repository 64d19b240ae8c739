"""What became of the attempts: the last ones in full, all of them as counts."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import Any

from multi_llm_comparator.core.clock import now

KEPT = 1000
MAX_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One attempt. ``outcome`` is "answered", "failed", "failed_after_text", "refused" (never made) or "cancelled".

    ``rule`` is what brought the request here: "direct", a strategy, "fallback_groups" or "context_overflow".
    """

    request_id: str
    asked: str
    target: str
    model: str
    rule: str
    number: int
    at: float
    seconds: float
    outcome: str
    error_type: str = ""
    message: str = ""


class History:
    """Bounded memory of attempts and requests."""

    def __init__(self) -> None:
        self._records: deque[AttemptRecord] = deque(maxlen=KEPT)
        self.requests: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.fallbacks: Counter[str] = Counter()
        self.models: dict[str, Counter[str]] = {}
        self.retries = 0
        self.started_at = now()

    def add(self, record: AttemptRecord) -> None:
        self._records.append(record)
        self.outcomes[record.outcome] += 1
        if record.error_type:
            self.errors[record.error_type] += 1
        counts = self.models.get(record.model)
        if counts is None and len(self.models) < MAX_NAMES:
            counts = self.models[record.model] = Counter()
        if counts is not None:
            counts[record.outcome] += 1

    def records(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last attempts, newest first."""
        newest = list(self._records)[::-1]
        return [asdict(record) for record in newest[:limit]]

    def latencies(self) -> dict[str, float]:
        """Seconds that answered attempts took on average, by model, among the last ``KEPT`` attempts."""
        taken: dict[str, list[float]] = {}
        for record in self._records:
            if record.outcome == "answered":
                taken.setdefault(record.model, []).append(record.seconds)
        return {model: sum(seconds) / len(seconds) for model, seconds in taken.items()}

    def statistics(self) -> dict[str, Any]:
        """Counts since the start. Every request ends as exactly one of answered, failed and cancelled."""
        ended = sum(self.requests[kind] for kind in ("answered", "failed"))
        return {
            "requests": dict(self.requests),
            "success_rate": self.requests["answered"] / ended if ended else None,
            "attempts": dict(self.outcomes),
            "fallbacks": dict(self.fallbacks),
            "retries": self.retries,
            "errors": dict(self.errors),
            "models": {model: dict(counts) for model, counts in self.models.items()},
            "since": self.started_at,
        }
