"""Pools: models used in turn. A :class:`Scheduler` decides the turn; another way of taking turns is one class more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError
from multi_llm_comparator.groups.config import GroupsConfig, Pool, RotationStrategy
from multi_llm_comparator.groups.health import HealthBoard
from multi_llm_comparator.groups.targets import Candidate, Stage
from multi_llm_comparator.groups.task_group_manager import TaskGroupManager

logger = logging.getLogger(__name__)

HealthCheck = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Instance:
    """One model of a pool and how it is used."""

    model: str
    weight: int = 1
    active: int = 0
    used: int = 0
    failed: int = 0


class Scheduler(Protocol):
    """Decides who is next."""

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        """All of ``instances``, the one whose turn it is first, then who may stand in for it. Counts as a turn."""
        ...


class RoundRobin:
    """Whoever had its turn longest ago. Stays fair when instances leave and come back."""

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}
        self._count = 0

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        ordered = sorted(instances, key=lambda i: self._turns.get(i.model, 0))
        self._count += 1
        self._turns[ordered[0].model] = self._count
        return ordered


class LeastUsed:
    """Whoever has the fewest requests running for its weight, then the fewest so far."""

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        return sorted(instances, key=lambda i: (i.active / i.weight, i.used / i.weight))


class Weighted:
    """Turns in proportion to the weights, evenly mixed (smooth weighted round robin, as nginx does it)."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        for instance in instances:
            self._credit[instance.model] = self._credit.get(instance.model, 0) + instance.weight
        ordered = sorted(instances, key=lambda i: -self._credit[i.model])
        self._credit[ordered[0].model] -= sum(i.weight for i in instances)
        return ordered


SCHEDULERS: dict[RotationStrategy, Callable[[], Scheduler]] = {
    RotationStrategy.ROUND_ROBIN: RoundRobin,
    RotationStrategy.LEAST_USED: LeastUsed,
    RotationStrategy.WEIGHTED: Weighted,
}


class PollingPool:
    """The models of some groups, used in turn and watched together."""

    def __init__(self, name: str, settings: Pool, health: HealthBoard) -> None:
        self.name = name
        self.settings = settings
        self._health = health
        self._instances: dict[str, Instance] = {}
        self._schedulers: dict[str, Scheduler] = {}

    def configure(self, settings: Pool, weights: dict[str, int]) -> None:
        """Take over a new snapshot: ``weights`` of the models now in the pool. Who stays keeps its counts."""
        if settings.rotation_strategy is not self.settings.rotation_strategy:
            self._schedulers.clear()
        self.settings = settings
        kept = {model: self._instances.get(model) or Instance(model) for model in weights}
        for model, instance in kept.items():
            instance.weight = weights[model]
        self._instances = kept

    @property
    def instances(self) -> list[Instance]:
        return list(self._instances.values())

    def order(self, target: str, candidates: Sequence[Candidate]) -> list[Candidate]:
        """``candidates`` of the stage ``target``, the one whose turn it is first."""
        if len(candidates) < 2:
            return list(candidates)
        scheduler = self._schedulers.get(target)
        if scheduler is None:
            scheduler = self._schedulers[target] = SCHEDULERS[self.settings.rotation_strategy]()
        by_model = {c.model: c for c in candidates}
        ordered = scheduler.order([self._instances.get(model) or Instance(model) for model in by_model])
        return [by_model[instance.model] for instance in ordered]

    def started(self, model: str) -> None:
        if instance := self._instances.get(model):
            instance.active += 1
            instance.used += 1

    def ended(self, model: str, *, failed: bool) -> None:
        if instance := self._instances.get(model):
            instance.active = max(0, instance.active - 1)
            instance.failed += failed

    async def check_health(self, check: HealthCheck) -> None:
        """Check every model once; ``check`` raises what is wrong, or LookupError for what cannot be checked."""
        await asyncio.gather(*(self._check(model, check) for model in list(self._instances)))

    async def _check(self, model: str, check: HealthCheck) -> None:
        try:
            await check(model)
        except LookupError:
            return
        except MultiLLMError as exc:
            self._health.check_failed(model, exc, self.settings.unhealthy_after)
            logger.warning("health check of %r failed: %s", model, exc)
        else:
            self._health.check_passed(model)

    def get_status(self) -> dict[str, Any]:
        """Settings, and for each model its use and why it is out of the rotation, if it is."""
        return {
            "rotation_strategy": self.settings.rotation_strategy.value,
            "task_groups": list(self.settings.task_groups),
            "health_check_interval": self.settings.health_check_interval,
            "instances": {
                i.model: {
                    "weight": i.weight,
                    "active": i.active,
                    "used": i.used,
                    "failed": i.failed,
                    **self._health.status(i.model),
                }
                for i in self._instances.values()
            },
        }


class PollingPoolManager:
    """All pools of the configuration, kept by name over reloads."""

    def __init__(self, task_group_manager: TaskGroupManager, health: HealthBoard | None = None) -> None:
        self.health = health or HealthBoard()
        self._pools: dict[str, PollingPool] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._check: HealthCheck | None = None
        self._forget = task_group_manager.on_change(self._configure)

    def _configure(self, config: GroupsConfig) -> None:
        pools: dict[str, PollingPool] = {}
        for name, settings in config.polling_pools.items():
            echelons = [e for g in settings.task_groups for e in config.task_groups[g].echelons.values()]
            models = dict.fromkeys(model for echelon in echelons for model in echelon.models)
            pools[name] = self._pools.get(name) or PollingPool(name, settings, self.health)
            pools[name].configure(settings, {model: config.declaration(model).weight for model in models})
        self._pools = pools
        if self._check is not None:
            self.start(self._check)

    def get_pool(self, name: str) -> PollingPool:
        """The pool called ``name``.

        Raises:
            ConfigurationError: there is none.
        """
        if name not in self._pools:
            raise ConfigurationError(f"no pool named {name!r}; known are {', '.join(self._pools) or 'none'}")
        return self._pools[name]

    @property
    def pools(self) -> list[PollingPool]:
        return list(self._pools.values())

    def order(self, stage: Stage, candidates: Sequence[Candidate]) -> list[Candidate]:
        """``candidates`` of ``stage`` in the order its pool gives; as listed when it has none."""
        pool = self._pools.get(stage.pool) if stage.pool else None
        return pool.order(stage.target, candidates) if pool else list(candidates)

    def start(self, check: HealthCheck) -> None:
        """Check every pool by its interval, in the background of the running event loop, until :meth:`aclose`."""
        self._check = check
        for name in [name for name, task in self._tasks.items() if name not in self._pools or task.done()]:
            self._tasks.pop(name).cancel()
        for name in self._pools:
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._watch(name, check), name=f"health of pool {name}")

    async def _watch(self, name: str, check: HealthCheck) -> None:
        while pool := self._pools.get(name):
            try:
                await pool.check_health(check)
            except Exception:
                # The edge of a background task: one broken check must not end all later ones.
                logger.exception("the health checks of pool %r failed", name)
            await asyncio.sleep(pool.settings.health_check_interval)

    async def aclose(self) -> None:
        self._check = None
        self._forget()
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def get_status(self) -> dict[str, Any]:
        return {name: pool.get_status() for name, pool in self._pools.items()}
