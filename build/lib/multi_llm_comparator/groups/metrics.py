"""The gateway's figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from multi_llm_comparator.groups.status_metrics import StatusCollector

MAX_LABELS = 1000
SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


class GatewayMetrics:
    """Counters of one gateway, in a registry of its own."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(StatusCollector(status))
        self._models: set[str] = set()
        self._attempts = self._counter("attempts", "Attempts by model and outcome", "model", "outcome")
        self._tokens = self._counter("tokens", "Tokens by model and kind", "model", "kind")
        self._cost = self._counter("cost_usd", "US dollars spent by model", "model")
        self._fallbacks = self._counter("fallbacks", "Fallbacks by rule", "rule")
        self._seconds = Histogram(
            "mlc_gateway_attempt_seconds",
            "Duration of attempts",
            ["model"],
            buckets=SECONDS,
            registry=self.registry,
        )

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(f"mlc_gateway_{name}", about, labels, registry=self.registry)

    def _label(self, model: str) -> str:
        """The model's own label, until there are too many: anybody may ask for any name."""
        if model not in self._models and len(self._models) >= MAX_LABELS:
            return "other"
        self._models.add(model)
        return model

    def attempt(self, model: str, outcome: str, seconds: float) -> None:
        label = self._label(model)
        self._attempts.labels(label, outcome).inc()
        self._seconds.labels(label).observe(seconds)

    def spent(self, model: str, prompt_tokens: int, completion_tokens: int, usd: float | None) -> None:
        label = self._label(model)
        self._tokens.labels(label, "prompt").inc(prompt_tokens)
        self._tokens.labels(label, "completion").inc(completion_tokens)
        if usd:
            self._cost.labels(label).inc(usd)

    def fell_back(self, rule: str) -> None:
        self._fallbacks.labels(rule).inc()

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
