"""``ModelResourceManager``: how the models of the workbench do, and how requests are shared out among them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.cooperation.standalone import services
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.groups import Gateway
from multi_llm_comparator.groups.config import GroupsConfig, ModelDeclaration
from multi_llm_comparator.programs.load_balancing import LoadBalanceStrategy, pool_strategy
from multi_llm_comparator.programs.system_config import SystemConfig
from multi_llm_comparator.wiring import Services

# Fewer calls than these say nothing of a model's health.
MIN_CALLS = 5


@dataclass(frozen=True)
class _Counted:
    answered: int
    failed: int

    @property
    def error_rate(self) -> float:
        ended = self.answered + self.failed
        return self.failed / ended if ended else 0.0


class ModelResourceManager:
    """Over the workbench of this process, which is opened where none is.

    Args:
        config: gives the load balance strategy to begin with (none is applied without it), and for how long a status is
            given again.
    """

    def __init__(self, config: SystemConfig | None = None) -> None:
        self._config = config
        self._strategy: LoadBalanceStrategy | None = None
        self._kept: tuple[float, dict[str, Any]] | None = None
        if config is not None:
            self.load_balance_strategy = LoadBalanceStrategy(
                strategy_type=str(config.ROUTING_CONFIG["load_balance_strategy"]),
                health_threshold=float(config.ROUTING_CONFIG["performance_threshold"]),
            )

    @property
    def load_balance_strategy(self) -> LoadBalanceStrategy:
        """What holds for every pool of the gateway; setting it takes effect for the next request, and for as long as
        this process runs: the configuration's file is not changed."""
        return self._strategy or LoadBalanceStrategy()

    @load_balance_strategy.setter
    def load_balance_strategy(self, strategy: LoadBalanceStrategy) -> None:
        def change(config: GroupsConfig) -> GroupsConfig:
            return adjusted(config, strategy)

        _there(services().gateway.groups.adjust, change)
        self._strategy, self._kept = strategy, None

    def get_system_status(self) -> dict[str, Any]:
        """``models``: by name ``status`` (ready, loaded, degraded, out), ``request_count``, ``avg_latency`` (s; 0.0
        before any answer), ``error_rate`` (0 to 1) and ``reason``; with it the health and the load of all together."""
        found = services()
        if self._kept is not None and time.monotonic() - self._kept[0] < self._interval_s:
            return self._kept[1]
        status: dict[str, Any] = _there(lambda: self._status(found))
        self._kept = (time.monotonic(), status)
        return status

    @property
    def _interval_s(self) -> float:
        return float(self._config.MONITORING_CONFIG["metrics_interval"]) if self._config is not None else 0.0

    def _status(self, found: Services) -> dict[str, Any]:
        gateway, counted = found.gateway, found.gateway.get_statistics()
        loaded = {model.name for model in found.engine.loaded_models()}
        latencies = gateway.parts.history.latencies()
        models = {
            name: self._of(gateway, name, counted["models"].get(name, {}), latencies.get(name, 0.0), name in loaded)
            for name in _names(found)
        }
        success = counted["success_rate"]
        known = set(models)
        return {
            "models": models,
            "system_health": 1.0 if success is None else success,
            "healthy_models": [name for name, one in models.items() if one["status"] in ("ready", "loaded")],
            "total_requests": sum(counted["requests"].values()),
            "uptime_s": now() - counted["since"],
            "waiting": gateway.get_status()["limits"]["waiting"],
            "load_balance": {
                "strategy": pool_strategy(self.load_balance_strategy.strategy_type),
                "weights": dict(self.load_balance_strategy.weights),
                "weights_of_unknown_models": sorted(set(self.load_balance_strategy.weights) - known),
                "pools": {name: list(pool["instances"]) for name, pool in gateway.parts.pools.get_status().items()},
            },
        }

    def _of(
        self, gateway: Gateway, name: str, counts: dict[str, int], latency_s: float, is_loaded: bool
    ) -> dict[str, Any]:
        calls = _Counted(counts.get("answered", 0), counts.get("failed", 0) + counts.get("failed_after_text", 0))
        out = gateway.parts.why_out(name)
        ended = calls.answered + calls.failed
        is_degraded = ended >= MIN_CALLS and 1 - calls.error_rate < self.load_balance_strategy.health_threshold
        status = "out" if out else "degraded" if is_degraded else "loaded" if is_loaded else "ready"
        reason = out or (f"{calls.failed} of {ended} calls failed" if is_degraded else "")
        return {
            "status": status,
            "request_count": sum(counts.values()),
            "avg_latency": latency_s,
            "error_rate": calls.error_rate,
            "reason": reason,
        }


def _names(found: Services) -> list[str]:
    """Local models, and whatever the configuration names."""
    local = [found.models.unique_name(info.id) for info in found.models.get_available_models() if info.is_loadable]
    config = found.gateway.groups.config
    listed = [m for group in config.task_groups.values() for level in group.echelons.values() for m in level.models]
    return list(dict.fromkeys([*local, *config.models, *listed]))


def adjusted(config: GroupsConfig, strategy: LoadBalanceStrategy) -> GroupsConfig:
    """A configuration with the strategy in all of its pools, and the weights in its models."""
    pools = {
        name: pool.model_copy(update={"rotation_strategy": pool_strategy(strategy.strategy_type)})
        for name, pool in config.polling_pools.items()
    }
    listed = {m for group in config.task_groups.values() for level in group.echelons.values() for m in level.models}
    models = dict(config.models)
    for name, weight in strategy.whole_weights().items():
        if name in models or name in listed:
            models[name] = models.get(name, ModelDeclaration()).model_copy(update={"weight": weight})
    gateway = config.gateway.model_copy(update={"queue_size": strategy.max_queue_length})
    return config.model_copy(update={"polling_pools": pools, "models": models, "gateway": gateway})


def _there(work: Any, *arguments: Any) -> Any:
    """The result of plain work on the event loop that the gateway belongs to."""
    from multi_llm_comparator.services.bridge import get_bridge

    async def done() -> Any:
        return work(*arguments)

    return get_bridge().run(done())
