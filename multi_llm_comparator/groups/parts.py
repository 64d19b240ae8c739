"""What a gateway is made of. Every request works with the same parts; each keeps its own state by id over reloads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.groups.answer_cache import AnswerCache
from multi_llm_comparator.groups.breaker import Breakers
from multi_llm_comparator.groups.budgets import Ledger
from multi_llm_comparator.groups.concurrency_controller import ConcurrencyController
from multi_llm_comparator.groups.endpoints import Endpoints
from multi_llm_comparator.groups.health import HealthBoard
from multi_llm_comparator.groups.history import History
from multi_llm_comparator.groups.metrics import GatewayMetrics
from multi_llm_comparator.groups.polling_pool import PollingPoolManager


@dataclass(frozen=True)
class Parts:
    local: TextSource
    endpoints: Endpoints
    pools: PollingPoolManager
    controller: ConcurrencyController
    breakers: Breakers
    health: HealthBoard
    ledger: Ledger
    cache: AnswerCache
    history: History
    metrics: GatewayMetrics
    # How long a local model's context is, as far as its files say.
    local_context: Callable[[str], int | None]

    def why_out(self, model: str) -> str | None:
        """Why ``model`` gets no requests now, or None."""
        if self.breakers.is_out(model):
            return "its circuit breaker is open"
        return self.health.why_out(model)

    def out_by(self, model: str) -> str | None:
        """What keeps requests from ``model`` now, in a word: "breaker", "health_checks", "retry_after"; or None."""
        return "breaker" if self.breakers.is_out(model) else self.health.out_by(model)
