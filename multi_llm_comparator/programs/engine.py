"""``OpenAIEngine``: one question, one answer, over the gateway, from any event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from multi_llm_comparator.cooperation.standalone import services
from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, MultiLLMError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.groups.config_loader import HeldConfig
from multi_llm_comparator.programs.system_config import SystemConfig
from multi_llm_comparator.services.bridge import get_bridge
from multi_llm_comparator.wiring import Services

T = TypeVar("T")
FOLDER = "programs"


@dataclass(frozen=True, kw_only=True)
class InferenceRequest:
    """One question.

    Attributes:
        prompt: the question.
        model_name: of the configuration's models, of this machine's, or a group's; "" takes the models of the
            configuration in turn.
        max_tokens: of the answer; the model's own setting, else 512, where None. So are the other two.
        temperature: 0 is greedy.
        system_prompt: goes before the question.
        images: ``https:`` or ``data:`` URLs, for models that see.
        config: further parameters.
    """

    prompt: str
    model_name: str = ""
    max_tokens: int | None = None
    temperature: float | None = None
    system_prompt: str = ""
    images: tuple[str, ...] = ()
    config: ModelConfig = field(default_factory=ModelConfig)


@dataclass(frozen=True, kw_only=True)
class InferenceResponse:
    """An answer, or why there is none.

    Attributes:
        latency: seconds from the request to the end.
        usage: ``prompt_tokens``, ``completion_tokens``, ``total_tokens``.
        model_name: who answered; of a group the model of it.
        error, error_type: what is wrong, and its name in :mod:`core.exceptions`; None where it succeeded.
        is_cut: the answer reached its limit of tokens.
        cost_usd: what it cost; None where nobody knows.
    """

    success: bool
    model_name: str
    text: str
    latency: float
    usage: Mapping[str, int]
    error: str | None = None
    error_type: str | None = None
    is_cut: bool = False
    cost_usd: float | None = None


class OpenAIEngine:
    """Asks the models of a :class:`SystemConfig`, and those of this machine.

    Args:
        config: what it is configured with when it is initialized; later changes are for the next one.
    """

    def __init__(self, config: SystemConfig | None = None) -> None:
        self.config = config or SystemConfig()
        self._taken = self.config
        self._gateway: Gateway | None = None
        self._served: tuple[Any, Any] | None = None

    @property
    def initialized(self) -> bool:
        return self._gateway is not None

    async def __aenter__(self) -> OpenAIEngine:
        await self.initialize()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.shutdown()

    async def initialize(self) -> None:
        """Open what it asks with. Harmless a second time.

        Raises:
            ConfigurationError: the configuration cannot be used.
            StoreError: the workbench's database cannot be used.
        """
        if self._gateway is not None:
            return
        self._taken = deepcopy(self.config)
        data = self._taken.groups()
        found = await asyncio.to_thread(services)
        self._gateway = await _there(self._open(found, data))
        if self._taken.MONITORING_CONFIG["enable_prometheus"]:
            self._show_figures(self._gateway, int(self._taken.MONITORING_CONFIG["prometheus_port"]))

    async def _open(self, found: Services, data: dict[str, Any]) -> Gateway:
        groups = TaskGroupManager(HeldConfig(data))
        gateway = Gateway(
            groups,
            # They are loaded once, by the workbench, which has limits of its own for them.
            found.gateway,
            folder=get_settings().home / FOLDER,
            local_trouble=found.engine.trouble_with,
            local_context=found.models.context_length,
        )
        await gateway.start()
        return gateway

    def _show_figures(self, gateway: Gateway, port: int) -> None:
        from prometheus_client import start_http_server

        try:
            self._served = start_http_server(port, "127.0.0.1", gateway.parts.metrics.registry)
        except OSError as exc:
            raise ConfigurationError(
                f"figures cannot be shown on port {port} ({exc.strerror}); set MONITORING_CONFIG['prometheus_port']"
            ) from exc

    async def inference(self, request: InferenceRequest) -> InferenceResponse:
        """Ask; whatever fails is in the response.

        Raises:
            ConfigurationError: the engine is not initialized.
        """
        if (gateway := self._gateway) is None:
            raise ConfigurationError("the engine is not initialized; await engine.initialize() first")
        began_at = now()
        progress = AnswerProgress(requested_at=began_at)
        try:
            target, asked = self._asked(request)
            progress = await _there(ask(gateway, target, asked, progress))
        except MultiLLMError as exc:
            progress.state, progress.error, progress.error_type = "failed", str(exc), type(exc).__name__
        return _response(request, progress, now() - began_at)

    async def batch_inference(self, requests: Sequence[InferenceRequest]) -> list[InferenceResponse]:
        """Ask several at once; the answers in the order of the requests."""
        return list(await asyncio.gather(*(self.inference(request) for request in requests)))

    def _asked(self, request: InferenceRequest) -> tuple[str, GenerationRequest]:
        name = request.model_name
        own = self._taken.MODELS.get(name)
        target = self._taken.target_of(name) or name
        if not target:
            raise ConfigurationError("which model? the configuration has none, so give model_name")
        changes: dict[str, Any] = {}
        for parameter in ("max_tokens", "temperature"):
            given = getattr(request, parameter)
            if (value := given if given is not None else getattr(own, parameter, None)) is not None:
                changes[parameter] = value
        if request.system_prompt:
            changes["system_prompt"] = request.system_prompt
        config = replace(request.config, **changes)
        return target, GenerationRequest(messages=(Message("user", request.prompt, request.images),), config=config)

    def get_status(self) -> dict[str, Any]:
        """The gateway's own: see :meth:`Gateway.get_status`; empty before it is initialized."""
        return self._gateway.get_status() if self._gateway is not None else {}

    async def shutdown(self) -> None:
        """Close connections and files; models of this machine stay loaded for others. Harmless a second time."""
        gateway, self._gateway = self._gateway, None
        served, self._served = self._served, None
        if served is not None:
            server, thread = served
            await asyncio.to_thread(server.shutdown)
            server.server_close()
            thread.join(timeout=5)
        if gateway is not None:
            await _there(gateway.aclose())


def _response(request: InferenceRequest, progress: AnswerProgress, seconds: float) -> InferenceResponse:
    is_done = progress.state == "done"
    usage = {
        "prompt_tokens": progress.prompt_tokens,
        "completion_tokens": progress.tokens,
        "total_tokens": progress.prompt_tokens + progress.tokens,
    }
    return InferenceResponse(
        success=is_done,
        model_name=progress.answered_by or request.model_name,
        text=progress.text,
        latency=seconds,
        usage=usage,
        error=None if is_done else progress.error or f"the answer was {progress.state}",
        error_type=None if is_done else progress.error_type,
        is_cut=progress.finish_reason == "length",
        cost_usd=progress.cost_usd,
    )


async def _there(work: Coroutine[Any, Any, T]) -> T:
    """The result of work on the loop that the gateway belongs to; who cancels this cancels the work."""
    return await asyncio.wrap_future(get_bridge().submit(work))
