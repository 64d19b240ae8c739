"""The gateway's figures for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

MAX_LABELS = 1000
SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
STATES = {"closed": 0, "half_open": 1, "open": 2}


class _StatusCollector(Collector):
    """Reads what is true at the moment of the scrape from the gateway's status."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        status = self._status()
        limits = status["limits"]
        waiting = GaugeMetricFamily(
            "mlc_gateway_waiting_requests", "Requests waiting for a limit", value=limits["waiting"]
        )
        active = GaugeMetricFamily("mlc_gateway_level_active", "Calls running in a limited level", labels=["level"])
        used = GaugeMetricFamily("mlc_gateway_level_used", "Taken of a limit per minute", labels=["level", "limit"])
        for key, level in limits["levels"].items():
            active.add_metric([key], level["active"])
            used.add_metric([key, "requests"], level["requests_in_window"])
            used.add_metric([key, "tokens"], level["tokens_in_window"])
        breakers = GaugeMetricFamily("mlc_gateway_breaker_state", "0 closed, 1 half-open, 2 open", labels=["model"])
        for model, breaker in status["breakers"].items():
            breakers.add_metric([model], STATES[breaker["state"]])
        return [waiting, active, used, breakers]


class GatewayMetrics:
    """Counters of one gateway, in a registry of its own."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_StatusCollector(status))
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
