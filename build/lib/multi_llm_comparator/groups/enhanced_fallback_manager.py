"""The gateway for who wants one whole answer instead of a stream."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import AttemptFailed, Cost, Event, FellBack
from multi_llm_comparator.core.exceptions import error_from_name
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.groups.gateway import Gateway
from multi_llm_comparator.groups.polling_pool import PollingPoolManager
from multi_llm_comparator.groups.task_group_manager import TaskGroupManager
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager


@dataclass(frozen=True)
class FallbackResult:
    """One answer and how it came about. ``failures`` are the attempts that failed before it."""

    content: str
    model: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None
    attempts: int
    failures: tuple[AttemptFailed, ...]
    fallbacks: tuple[FellBack, ...]
    from_cache: bool
    seconds: float


class EnhancedFallbackManager:
    """Answers with fallback, and knows what became of every attempt.

    Args:
        task_group_manager: the configuration.
        polling_pool_manager: the pools; their health and turns are shared with whoever else uses them.
        source: what answers for local models; by default an engine over the models that a scan finds, which
            :meth:`aclose` ends.
        gateway: a gateway to use instead of making one from the other arguments.
    """

    def __init__(
        self,
        task_group_manager: TaskGroupManager,
        polling_pool_manager: PollingPoolManager | None = None,
        source: TextSource | None = None,
        *,
        gateway: Gateway | None = None,
    ) -> None:
        self._own_engine: InferenceEngine | None = None
        if gateway is None and source is None:
            models = ModelManager(get_settings().models_dir)
            models.scan_models()
            self._own_engine = InferenceEngine(models=models)
            gateway = Gateway(
                task_group_manager,
                self._own_engine,
                pools=polling_pool_manager,
                local_names=models.unique_name,
                local_context=models.context_length,
                local_trouble=self._own_engine.trouble_with,
            )
        if gateway is None:
            assert source is not None
            gateway = Gateway(task_group_manager, source, pools=polling_pool_manager)
        self.gateway = gateway

    async def execute_with_fallback(
        self,
        primary_target: str,
        fallback_groups: Sequence[str] = (),
        prompt: str = "",
        *,
        config: ModelConfig | None = None,
        messages: Sequence[Message] = (),
        run_id: str = "",
    ) -> FallbackResult:
        """The whole answer to ``prompt`` (after ``messages``, if any) by ``primary_target`` or what it falls back to.

        Calls with the same ``run_id`` share what a budget per run allows; one without it is a run of its own.

        Raises:
            MultiLLMError: the last failure, when nothing is left to try or the answer broke off.
        """
        asked = (*messages, Message("user", prompt)) if prompt else tuple(messages)
        request = GenerationRequest(messages=asked, config=config or ModelConfig(), run_id=run_id)
        progress = AnswerProgress(requested_at=now())
        notes: list[Event] = []
        events = self.gateway.stream(primary_target, request, fallback_groups=fallback_groups)
        async with contextlib.aclosing(events):
            async for event in events:
                progress.apply(event)
                if isinstance(event, AttemptFailed | FellBack | Cost):
                    notes.append(event)
        if progress.error_type is not None:
            raise error_from_name(progress.error_type, progress.error or "")
        return _result(progress, notes)

    def get_statistics(self) -> dict[str, Any]:
        """Counts of requests, attempts, fallbacks and errors since the start."""
        return self.gateway.get_statistics()

    def get_history(self, limit: int = 100) -> list[dict[str, Any]]:
        """The last attempts, newest first, with their reasons."""
        return self.gateway.get_history(limit)

    def get_breaker_status(self) -> dict[str, dict[str, Any]]:
        """State of every model's circuit breaker."""
        breakers: dict[str, dict[str, Any]] = self.gateway.get_status()["breakers"]
        return breakers

    def open_breaker(self, model: str) -> None:
        self.gateway.open_breaker(model)

    def reset_breaker(self, model: str) -> None:
        self.gateway.reset_breaker(model)

    async def aclose(self) -> None:
        await self.gateway.aclose()
        if self._own_engine is not None:
            await self._own_engine.aclose()


def _result(progress: AnswerProgress, notes: Sequence[Event]) -> FallbackResult:
    cost = next(event for event in notes if isinstance(event, Cost))
    return FallbackResult(
        content=progress.text,
        model=cost.model,
        finish_reason=progress.finish_reason or "stop",
        prompt_tokens=cost.prompt_tokens,
        completion_tokens=cost.completion_tokens,
        cost_usd=cost.usd,
        attempts=progress.attempts,
        failures=tuple(event for event in notes if isinstance(event, AttemptFailed)),
        fallbacks=tuple(event for event in notes if isinstance(event, FellBack)),
        from_cache=progress.cache_age_s is not None,
        seconds=progress.duration_s or 0.0,
    )
