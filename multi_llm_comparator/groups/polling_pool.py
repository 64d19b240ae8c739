"""Pools: models used in turn and watched together. A :class:`Scheduler` decides the turn."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError, RateLimitedError
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.groups.config import GroupsConfig, Pool
from multi_llm_comparator.groups.health import HealthBoard
from multi_llm_comparator.groups.schedulers import Instance, Scheduler, make_scheduler
from multi_llm_comparator.groups.targets import Candidate, Stage
from multi_llm_comparator.groups.task_group_manager import TaskGroupManager

logger = logging.getLogger(__name__)

HealthCheck = Callable[[str], Awaitable[None]]


class PollingPool:
    """The models of some groups, used in turn and watched together."""

    def __init__(self, name: str, settings: Pool, health: HealthBoard) -> None:
        self.name = name
        self.settings = settings
        self._health = health
        self._instances: dict[str, Instance] = {}
        self._schedulers: dict[str, Scheduler] = {}
        self._turns = 0.0

    def configure(self, settings: Pool, weights: dict[str, int]) -> None:
        """Take over a new snapshot: ``weights`` of the models now in the pool. Who stays keeps its counts."""
        if settings.rotation_strategy != self.settings.rotation_strategy:
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
            scheduler = self._schedulers[target] = make_scheduler(self.settings.rotation_strategy)
        by_model = {c.model: c for c in candidates}
        ordered = scheduler.order([self._instances.get(model) or Instance(model) for model in by_model])
        return [by_model[instance.model] for instance in ordered]

    def started(self, model: str) -> None:
        if instance := self._instances.get(model):
            instance.active += 1
            instance.used += 1
            # Start-time fair queueing: the pool's turns are those of whoever was behind least when it began last.
            self._turns = max(self._turns, instance.turns)
            instance.turns = self._turns + 1 / instance.weight

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
            self._health.forget_checks(model)
        except RateLimitedError:
            # The endpoint is there and asks for fewer calls: that is neither a failure nor a proof of health.
            return
        except MultiLLMError as exc:
            self._health.check_failed(model, exc, self.settings.unhealthy_after)
            logger.warning("health check of %r failed: %s", model, exc)
        else:
            self._health.check_passed(model)

    def get_status(self) -> dict[str, Any]:
        """Settings, and for each model its use and why it is out of the rotation, if it is."""
        return {
            "rotation_strategy": self.settings.rotation_strategy,
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

    def __init__(self, task_group_manager: TaskGroupManager) -> None:
        self.health = HealthBoard()
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
        watched = {instance.model for pool in pools.values() for instance in pool.instances}
        self.health.forget_all_checks_but(watched)
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
        await end_tasks(*tasks)

    def get_status(self) -> dict[str, Any]:
        return {name: pool.get_status() for name, pool in self._pools.items()}
