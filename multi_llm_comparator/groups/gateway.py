"""The gateway: whatever wants text asks it, with a target, and gets one stream of events."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.events import Event, Failed, Finished
from multi_llm_comparator.core.exceptions import InferenceError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest, TextSource
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.groups.answer_cache import AnswerCache, AnswerRecorder, cache_key, replay
from multi_llm_comparator.groups.budgets import spent_today_usd
from multi_llm_comparator.groups.call import Call
from multi_llm_comparator.groups.components import Parts
from multi_llm_comparator.groups.concurrency_controller import ConcurrencyController
from multi_llm_comparator.groups.config import GroupsConfig
from multi_llm_comparator.groups.endpoints import Endpoints
from multi_llm_comparator.groups.history import History
from multi_llm_comparator.groups.metrics import GatewayMetrics
from multi_llm_comparator.groups.polling_pool import PollingPoolManager
from multi_llm_comparator.groups.shared_state import open_state
from multi_llm_comparator.groups.task_group_manager import TaskGroupManager

logger = logging.getLogger(__name__)


class Gateway:
    """One name for many models; a :class:`~core.requests.TextSource`.

    A target is a model, a group, ``group.echelon``, a pool or a node. With a ``redis_url`` in the configuration the
    limits, breakers and budgets are shared with every other process that has it too; changing it needs a restart.

    Args:
        groups: the configuration; a changed one takes effect for the next request, and running ones go on.
        local: what answers for local models.
        pools: pools to use; made from ``groups`` when absent.
        folder: where the answer cache and the budgets' books are; in the workbench's home by default.
        local_names: turns a local model's id into its name, so that both count against the same limits; anything else
            comes back as it is.
        local_context: how many tokens a local model was made for, or None, so that a prompt that is too long for one
            finds a longer one.
        local_trouble: why a local model cannot be asked at all (it is not here, its files are wrong), or None. Groups
            pass such a member over, and the status says so.
        clock: a clock that never goes backwards, in seconds.
    """

    def __init__(
        self,
        groups: TaskGroupManager,
        local: TextSource,
        *,
        pools: PollingPoolManager | None = None,
        folder: Path | None = None,
        local_names: Callable[[str], str] | None = None,
        local_context: Callable[[str], int | None] = lambda name: None,
        local_trouble: Callable[[str], MultiLLMError | None] = lambda name: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        folder = folder or get_settings().home / "gateway"
        config = groups.config
        shared = open_state(config.gateway.redis_url, folder, clock)
        pools = pools or PollingPoolManager(groups)
        self.groups = groups
        self._shared = shared
        self._local_names, self._local_trouble = local_names, local_trouble
        self.parts = Parts(
            local=local,
            endpoints=Endpoints(),
            pools=pools,
            controller=ConcurrencyController(shared.limits, queue_size=config.gateway.queue_size),
            breakers=shared.breakers,
            health=pools.health,
            ledger=shared.ledger,
            cache=AnswerCache(folder / "answers", config.gateway.cache),
            history=History(),
            metrics=GatewayMetrics(self.get_status),
            local_context=local_context,
            trouble=self._trouble,
        )
        self._watching: asyncio.Task[None] | None = None
        self._forget = groups.on_change(self._configure)

    def _configure(self, config: GroupsConfig) -> None:
        self.parts.controller.configure(self.groups.targets.levels(), config.gateway.queue_size)
        self.parts.breakers.configure(config.gateway.breaker)
        self.parts.endpoints.configure(config)
        self.parts.cache.configure(config.gateway.cache)

    async def stream(
        self,
        target: str,
        request: GenerationRequest,
        *,
        fallback_groups: Iterable[str] = (),
        use_cache: bool = True,
    ) -> AsyncGenerator[Event, None]:
        """Answer ``request`` with whatever stands behind ``target``.

        The last event is Finished or Failed; nothing is raised. Closing the iterator cancels the request and frees
        everything it holds.

        Args:
            fallback_groups: groups, echelons or models to try after the target's own, in this order.
            use_cache: whether an answer given before will do, where the configuration keeps answers.
        """
        requests = self.parts.history.requests
        outcome = "cancelled"
        try:
            async with contextlib.aclosing(self._answer(target, request, fallback_groups, use_cache)) as events:
                async for event in events:
                    if isinstance(event, Finished):
                        outcome = "answered"
                    yield event
        except MultiLLMError as exc:
            outcome = "failed"
            yield Failed.of(request.id, exc)
        except Exception as exc:
            # The edge of the gateway: a mistake in here must not take down who asked.
            logger.exception("the gateway failed request %s to %r", request.id, target)
            outcome = "failed"
            message = f"the gateway itself failed on {target!r} ({type(exc).__name__}); the log has the details"
            yield Failed(request_id=request.id, error_type=InferenceError.__name__, message=message)
        finally:
            requests[outcome] += 1

    async def _answer(
        self, target: str, request: GenerationRequest, fallback_groups: Iterable[str], use_cache: bool
    ) -> AsyncGenerator[Event, None]:
        request.config.validate()
        target = self._known_as(target)
        fallback_groups = tuple(fallback_groups)
        route = self.groups.route(target, fallback_groups)
        request = route.shaped(request)
        cache = self.parts.cache
        # Token pieces are not kept: whoever wants them wants them of an answer that is written now.
        use_cache = use_cache and cache.is_enabled and request.config.top_logprobs is None
        config = self.groups.config
        key = cache_key(target, fallback_groups, request) if use_cache else ""
        origins = {model: config.declaration(model).origin for model in route.models()} if use_cache else {}
        # The configuration may have changed since: an answer counts only if its model might still give it.
        if use_cache and (found := cache.get(key, origins)):
            for event in replay(found, request.id):
                yield event
            return
        call = Call(self.parts, config, route, request)
        async with contextlib.aclosing(call.run()) as events:
            if not use_cache:
                async for event in events:
                    yield event
                return
            recorder = AnswerRecorder(origins)
            async for event in events:
                recorder.note(event)
                yield event
        if recorder.answer is not None:
            cache.put(key, recorder.answer)

    def _trouble(self, model: str) -> MultiLLMError | None:
        declaration = self.groups.config.declaration(model)
        return None if declaration.is_remote else self._local_trouble(declaration.local or model)

    def _known_as(self, target: str) -> str:
        """A local model's id as its name, unless that name means something else here."""
        name = self._local_names(target) if self._local_names else target
        return name if name != target and self.groups.targets.names_local_model(name) else target

    async def start(self) -> None:
        """Watch the configuration file and the pools' health, in the background of this event loop."""
        self.parts.pools.start(self._check_health)
        if self._watching is None and self.groups.path is not None:
            self._watching = asyncio.create_task(self._watch(), name="configuration of the gateway")

    async def _watch(self) -> None:
        try:
            async for _ in self.groups.watch():
                pass
        except Exception:
            # The edge of a background task: requests continue with the configuration that they have.
            logger.exception("changes of %s are not noticed any more", self.groups.path)

    async def _check_health(self, model: str) -> None:
        """Raises what is wrong with ``model``, or LookupError if it is local: that shows when it is loaded."""
        declaration = self.groups.config.declaration(model)
        if not declaration.is_remote:
            raise LookupError(model)
        await self.parts.endpoints.check(model, declaration)

    async def aclose(self) -> None:
        """Stop the background work and close connections and files."""
        await end_tasks(self._watching)
        self._watching = None
        self._forget()
        await self.parts.pools.aclose()
        await self.parts.endpoints.aclose()
        await self.parts.controller.aclose()
        await self.parts.breakers.aclose()
        await self.parts.ledger.aclose()
        self.parts.cache.close()
        await self._shared.aclose()

    def open_breaker(self, model: str) -> None:
        """Send no requests to ``model`` until its recovery time is over."""
        self.parts.breakers.open(model)

    def reset_breaker(self, model: str) -> None:
        """Forget the failures of ``model``, its failed checks and its rest, and let requests through."""
        self.parts.breakers.reset(model)
        self.parts.health.reset(model)

    def get_statistics(self) -> dict[str, Any]:
        return self.parts.history.statistics()

    def get_history(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last attempts, newest first, with their reasons."""
        return self.parts.history.records(limit)

    def get_status(self) -> dict[str, Any]:
        """Everything there is to know, as plain data without keys: for a page, an API or a log."""
        config = self.groups.config
        listed = (m for g in config.task_groups.values() for e in g.echelons.values() for m in e.models)
        models = list(dict.fromkeys([*config.models, *listed]))
        return {
            "config": self.groups.get_config_status(),
            "pools": self.parts.pools.get_status(),
            "breakers": self.parts.breakers.status(models),
            "limits": self.parts.controller.get_status(),
            "models": {model: self._model_status(model, config) for model in models},
            "budgets": self._budget_status(config),
            "cache": self.parts.cache.status(),
            "statistics": self.get_statistics(),
            "shared": self._shared.name,
            "shared_problem": self._shared.problem,
        }

    def _model_status(self, model: str, config: GroupsConfig) -> dict[str, Any]:
        declaration = config.declaration(model)
        context = declaration.context_length
        if context is None and not declaration.is_remote:
            context = self.parts.local_context(declaration.local or model)
        return {
            "provider": declaration.provider,
            "remote": declaration.is_remote,
            "tags": list(declaration.tags),
            "context_length": context,
            **self.parts.health.status(model),
            "out": self.parts.why_out(model),
            "out_by": self.parts.out_by(model),
        }

    def _budget_status(self, config: GroupsConfig) -> dict[str, Any]:
        return {
            name: {
                "per_day_usd": group.budget.per_day_usd,
                "per_run_usd": group.budget.per_run_usd,
                "spent_today_usd": spent_today_usd(self.parts.ledger, name, group.budget),
            }
            for name, group in config.task_groups.items()
            if group.budget.per_day_usd is not None or group.budget.per_run_usd is not None
        }


class FreshAnswers:
    """The gateway for who measures what models do: a :class:`TextSource` that leaves the answer cache alone."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        return self._gateway.stream(target, request, use_cache=False)
