"""What a gateway is made of. Every request works with the same parts; each keeps its own state by id over reloads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import ModelNotFoundError, MultiLLMError
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
    # What keeps a model of the configuration from ever being asked: it is local, and not here or not to be loaded.
    trouble: Callable[[str], MultiLLMError | None]

    def why_out(self, model: str) -> str | None:
        """Why ``model`` gets no requests now, or None."""
        if (trouble := self.trouble(model)) is not None:
            return str(trouble)
        if self.breakers.is_out(model):
            return "its circuit breaker is open"
        return self.health.why_out(model)

    def out_by(self, model: str) -> str | None:
        """What keeps requests from ``model`` now, in a word; or None.

        It is "missing" (a local model that is not here), "unloadable" (one whose files are wrong), "breaker",
        "health_checks" or "retry_after".
        """
        if (trouble := self.trouble(model)) is not None:
            return "missing" if isinstance(trouble, ModelNotFoundError) else "unloadable"
        return "breaker" if self.breakers.is_out(model) else self.health.out_by(model)
