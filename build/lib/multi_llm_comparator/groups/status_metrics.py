"""What is true at the moment of a scrape, read from the gateway's status for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

STATES = {"closed": 0, "half_open": 1, "open": 2}
Samples = Iterable[tuple[tuple[str, ...], float]]


class StatusCollector(Collector):
    """Asks for the status at each scrape; nothing is counted twice."""

    def __init__(self, status: Callable[[], dict[str, Any]]) -> None:
        self._status = status

    def collect(self) -> Iterable[Metric]:
        status = self._status()
        yield from _configuration(status)
        yield from _limits(status["limits"])
        yield from _models(status)
        yield from _pools(status["pools"])
        yield from _requests(status["statistics"])
        yield from _budgets(status["budgets"])
        yield from _cache(status["cache"])


def _gauge(name: str, about: str, labels: tuple[str, ...], samples: Samples) -> Metric:
    family = GaugeMetricFamily(f"mlc_gateway_{name}", about, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _count(name: str, about: str, label: str, counts: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(f"mlc_gateway_{name}", about, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family


def _configuration(status: Mapping[str, Any]) -> Iterable[Metric]:
    config = status["config"]
    problems = {"file": config["error"], "redis_url": status["shared_problem"]}
    samples = [((what,), float(problem is not None)) for what, problem in problems.items()]
    yield _gauge("config_error", "1 while this part of the configuration is refused", ("part",), samples)
    yield _gauge("config_version", "Configurations taken over since the start", (), [((), config["version"])])


def _limits(limits: Mapping[str, Any]) -> Iterable[Metric]:
    levels = limits["levels"].items()
    yield _gauge("waiting_requests", "Requests waiting for a limit", (), [((), limits["waiting"])])
    waiting = [((key,), level["waiting"]) for key, level in levels]
    yield _gauge("level_waiting", "Requests waiting for a limited level", ("level",), waiting)
    active = [((key,), level["active"]) for key, level in levels]
    yield _gauge("level_active", "Calls running in a limited level", ("level",), active)
    used = [((key, kind), level[f"{kind}_in_window"]) for key, level in levels for kind in ("requests", "tokens")]
    yield _gauge("level_used", "Taken of a limit per minute", ("level", "limit"), used)


def _models(status: Mapping[str, Any]) -> Iterable[Metric]:
    states = [((model,), STATES[breaker["state"]]) for model, breaker in status["breakers"].items()]
    yield _gauge("breaker_state", "0 closed, 1 half-open, 2 open", ("model",), states)
    out = [((name, model["out_by"]), 1.0) for name, model in status["models"].items() if model["out_by"]]
    yield _gauge("model_out", "1 while a model gets no requests, and for which reason", ("model", "reason"), out)


def _pools(pools: Mapping[str, Any]) -> Iterable[Metric]:
    instances = [(pool, name, i) for pool, entry in pools.items() for name, i in entry["instances"].items()]
    for kind, about in (("used", "Turns taken"), ("active", "Calls running"), ("failed", "Calls that failed")):
        samples = [((pool, name), i[kind]) for pool, name, i in instances]
        yield _gauge(f"pool_{kind}", f"{about}, by pool and model", ("pool", "model"), samples)


def _requests(statistics: Mapping[str, Any]) -> Iterable[Metric]:
    yield _count("requests", "Requests by how they ended", "outcome", statistics["requests"])
    yield _count("errors", "Failed and refused attempts by error", "error", statistics["errors"])
    yield CounterMetricFamily("mlc_gateway_retries", "Retries of the same model", value=statistics["retries"])


def _budgets(budgets: Mapping[str, Any]) -> Iterable[Metric]:
    for kind, about in (
        ("spent_today", "US dollars spent or set aside today"),
        ("per_day", "US dollars that a group may spend a day"),
        ("per_run", "US dollars that a group may spend for one run"),
    ):
        samples = [
            ((group,), budget[f"{kind}_usd"]) for group, budget in budgets.items() if budget[f"{kind}_usd"] is not None
        ]
        yield _gauge(f"budget_{kind}_usd", about, ("group",), samples)


def _cache(cache: Mapping[str, Any]) -> Iterable[Metric]:
    counts = {kind: cache[kind] for kind in ("hits", "misses") if cache["enabled"]}
    yield _count("cache_lookups", "Questions looked up in the answer cache", "result", counts)
