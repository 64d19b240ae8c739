"""Answers from local models: many at once, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.events import (
    Contended,
    Event,
    Failed,
    Finished,
    Loaded,
    Loading,
    MemoryMeasured,
    Queued,
    TextDelta,
)
from multi_llm_comparator.core.exceptions import (
    ModelLoadError,
    ModelNotFoundError,
    ModelProcessDied,
    MultiLLMError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.models import InferenceResult, ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.inferencers.base import BaseInferencer, LoadOptions
from multi_llm_comparator.services.bridge import get_bridge
from multi_llm_comparator.services.custom_inference import InferencerFactory, stream_custom
from multi_llm_comparator.services.devices import CPU, same_memory
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.residency import Residency, Resident, ResidentState
from multi_llm_comparator.services.results import iterate_results

# How often a model's memory is measured while it writes.
MEASURE_EVERY_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One model in memory, as a page shows it. ``active`` counts its requests; ``idle_since`` None means busy."""

    key: str
    model_id: str
    name: str
    state: ResidentState
    memory_bytes: int | None
    estimated_bytes: int
    active: int
    pid: int | None
    device: str
    options: LoadOptions
    info: dict[str, Any]
    idle_since: float | None


class InferenceEngine:
    """Runs local models and streams their answers; a :class:`~core.requests.TextSource`.

    The coroutines belong to one event loop, the bridge's unless one uses the engine from a loop of one's own; the
    synchronous methods go through the bridge. Nothing is started before the first use.

    Args:
        memory_manager: decides what fits; by default 80% of the machine.
        models: where targets are looked up; models handed to :meth:`run_inference` are known without it.
    """

    def __init__(
        self,
        memory_manager: MemoryManager | None = None,
        *,
        models: ModelManager | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or get_settings()
        self.memory_manager = memory_manager or MemoryManager(
            max_memory_gb=self._settings.max_memory_gb, mode=self._settings.memory_mode
        )
        self._models = models
        self._known: dict[str, ModelInfo] = {}
        self._factories: list[InferencerFactory] = []
        self._residency: Residency | None = None
        self.active_inferencers: dict[str, BaseInferencer] = {}

    # Asking

    async def stream(self, target: str, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """Answer ``request`` with the model whose id or name is ``target``.

        The last event is Finished or Failed; nothing is raised. Closing the iterator cancels the request.
        """
        over = False
        try:
            request.config.validate()
            model = self._resolve(target)
            inferencer = self._custom_inferencer(model)
            events = stream_custom(inferencer, model, request) if inferencer else self._stream_local(model, request)
            async with contextlib.aclosing(events) as stream:
                async for event in stream:
                    over = isinstance(event, Finished | Failed)
                    yield event
        except MultiLLMError as exc:
            if not over:
                yield Failed(request_id=request.id, error_type=type(exc).__name__, message=str(exc))

    async def _stream_local(self, model: ModelInfo, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        """Answer in a model process; a crash before its first token ever is tried once more with safe settings."""
        options = LoadOptions.from_config(request.config, parallel=self._settings.parallel_requests)
        for safe in (False, True):
            crashed = False
            async with contextlib.aclosing(self._attempt(model, request, options, safe=safe)) as stream:
                async for event in stream:
                    if isinstance(event, _CrashedEarly):
                        crashed = True
                    else:
                        yield event
            if not crashed:
                return

    async def _attempt(
        self, model: ModelInfo, request: GenerationRequest, options: LoadOptions, *, safe: bool
    ) -> AsyncGenerator[Event, None]:
        waiting = asyncio.Event()
        entering = self._use(model, options, waiting, safe=safe)
        async with contextlib.AsyncExitStack() as stack:
            entry = asyncio.ensure_future(stack.enter_async_context(entering))
            waited = asyncio.ensure_future(waiting.wait())
            try:
                await asyncio.wait({entry, waited}, return_when=asyncio.FIRST_COMPLETED)
                if not entry.done():
                    yield Queued(request_id=request.id)
                resident = await entry
            finally:
                waited.cancel()
                if not entry.done():
                    entry.cancel()
                    with contextlib.suppress(asyncio.CancelledError, MultiLLMError):
                        await entry
            async for event in self._answer(resident, request):
                yield event

    def _use(
        self, model: ModelInfo, options: LoadOptions, waiting: asyncio.Event, *, safe: bool
    ) -> contextlib.AbstractAsyncContextManager[Resident]:
        return self._table().use(model, engine_of(model), options, waiting.set, safe=safe)

    async def _answer(self, resident: Resident, request: GenerationRequest) -> AsyncGenerator[Event, None]:
        loaded_before = resident.state == "ready"
        if not loaded_before:
            yield Loading(request_id=request.id, model=resident.model.name)
        process = await self._table().ready(resident)
        self._share_threads()
        yield Loaded(
            request_id=request.id,
            model=resident.model.name,
            seconds=0.0 if loaded_before else resident.load_s,
            memory_bytes=await self._table().measure(resident),
            notes=tuple(resident.info["notes"]),
        )
        resident.decoding += 1
        try:
            async with (
                contextlib.aclosing(process.generate(request)) as events,
                contextlib.aclosing(self._observed(resident, events)) as observed,
            ):
                async for event in observed:
                    if isinstance(event, Failed) and await self._crashed_early(resident, event):
                        yield _CrashedEarly(request_id=request.id)
                        return
                    yield event
        finally:
            resident.decoding -= 1

    async def _observed(self, resident: Resident, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The same events, with what the app alone sees: who else decodes, and the memory that is held."""
        neighbours: set[str] = set()
        measured_at = now()
        async for event in events:
            if isinstance(event, TextDelta) and (new := self._decoding_beside(resident) - neighbours):
                neighbours |= new
                yield Contended(request_id=event.request_id, others=tuple(sorted(new)))
            due = isinstance(event, TextDelta) and now() - measured_at >= MEASURE_EVERY_S
            if due or isinstance(event, Finished):
                measured_at = now()
                if (held := await self._table().measure(resident)) is not None:
                    yield MemoryMeasured(request_id=event.request_id, at=event.at, memory_bytes=held)
            yield event

    async def _crashed_early(self, resident: Resident, event: Failed) -> bool:
        process = resident.process
        if process is None or event.error_type != ModelProcessDied.__name__ or resident.options.safe:
            return False
        if process.has_decoded or not process.crashed:
            return False
        await self._table().remember_crash(resident)
        return True

    def _decoding_beside(self, resident: Resident) -> set[str]:
        others = (r for r in self._table().residents() if r.key != resident.key and r.decoding)
        return {r.model.name for r in others if same_memory(r.device, resident.device)}

    def _share_threads(self) -> None:
        """Divide the cores among the models that are at work: more threads than cores spin against each other."""
        busy = [r for r in self._table().residents() if r.active and r.device == CPU]
        share = max(1, available_cpus() // max(1, len(busy)))
        for resident in busy:
            if resident.process is not None and resident.state == "ready" and resident.process.is_alive:
                resident.process.set_threads(min(share, resident.options.n_threads or share))

    # Models in memory

    async def load(self, target: str, config: ModelConfig | None = None) -> None:
        """Load a model ahead of its first question.

        Raises:
            MultiLLMError: why it cannot be.
        """
        model = self._resolve(target)
        config = config or ModelConfig()
        config.validate()
        options = LoadOptions.from_config(config, parallel=self._settings.parallel_requests)
        async with self._table().use(model, engine_of(model), options, lambda: None) as resident:
            await self._table().ready(resident)

    async def unload(self, target: str) -> None:
        """Take a model out of memory at once; its running requests fail."""
        await self._table().unload(self._resolve(target).id)

    def loaded_models(self) -> list[LoadedModel]:
        """What is in memory now, with measured memory."""
        return [self._describe(r) for r in self._residency.residents()] if self._residency else []

    def _describe(self, resident: Resident) -> LoadedModel:
        return LoadedModel(
            key=resident.key,
            model_id=resident.model.id,
            name=resident.model.name,
            state=resident.state,
            memory_bytes=self._table().memory_bytes(resident),
            estimated_bytes=resident.estimate.total_bytes,
            active=resident.active,
            pid=resident.process.pid if resident.process else None,
            device=resident.device,
            options=resident.options,
            info=resident.info,
            idle_since=None if resident.active else resident.idle_since,
        )

    async def start(self) -> None:
        """Get a spare process ready. Optional: everything works without, the first PyTorch answer just comes later."""
        self._table().spare.refill()

    async def aclose(self) -> None:
        """End all model processes."""
        if self._residency is not None:
            await self._residency.aclose()
            self._residency = None

    def close(self) -> None:
        get_bridge().run(self.aclose())

    # The synchronous interface

    def run_inference(
        self, prompt: str, models: Sequence[ModelInfo], configs: Mapping[str, ModelConfig]
    ) -> Iterator[dict[str, InferenceResult]]:
        """Answer one prompt with several models at once, yielding all results so far whenever one of them grows.

        A model that fails has its reason in ``result.error``; the others go on. Ending the iteration cancels the rest.

        Raises:
            InvalidParameterError: a configuration is wrong; nothing has been started then.
        """
        for model in models:
            self._known[model.id] = model
            configs.get(model.id, ModelConfig()).validate()
        return iterate_results(self, prompt, models, configs)

    def create_inferencer(self, model_info: ModelInfo) -> BaseInferencer:
        """An inferencer in this very process, for scripts that want no second one.

        Raises:
            UnsupportedModelError: no factory and no engine takes this model.
            ModelLoadError: a factory failed.
        """
        if custom := self._custom_inferencer(model_info):
            return custom
        if model_info.model_type is ModelType.PYTORCH:
            from multi_llm_comparator.inferencers.pytorch_inferencer import PyTorchInferencer

            return PyTorchInferencer()
        if model_info.model_type is ModelType.GGUF:
            from multi_llm_comparator.inferencers.gguf_inferencer import GGUFInferencer

            return GGUFInferencer()
        raise UnsupportedModelError(f"no inferencer for {model_info.name!r}; register a factory for it")

    def register_inferencer_factory(self, factory: InferencerFactory) -> None:
        """Have ``factory(model_info)`` asked first for each model; it returns None for those it does not take."""
        self._factories.append(factory)

    def cleanup_resources(self) -> None:
        """Unload everything."""
        for inferencer in self.active_inferencers.values():
            inferencer.unload_model()
        self.active_inferencers.clear()
        self.close()
        self.memory_manager.cleanup()

    # Inside

    def _table(self) -> Residency:
        if self._residency is None:
            self._residency = Residency(self.memory_manager, self._settings, self._rebalance)
        return self._residency

    def _rebalance(self) -> None:
        if self._residency is None:
            return
        self._share_threads()
        if not any(r.active for r in self._residency.residents()):
            self._residency.spare.refill()

    def _custom_inferencer(self, model: ModelInfo) -> BaseInferencer | None:
        try:
            made = (factory(model) for factory in self._factories)
            return next((inferencer for inferencer in made if inferencer is not None), None)
        except Exception as exc:
            log.exception("an inferencer factory failed for %r", model.name)
            raise ModelLoadError(f"an inferencer factory failed for {model.name!r}: {exc}") from exc

    def _resolve(self, target: str) -> ModelInfo:
        model = self._known.get(target) or (self._models.find(target) if self._models else None)
        if model is None:
            raise ModelNotFoundError(f"no model named {target!r}; scan again or check the name on the Models page")
        if model.problem:
            raise UnsupportedModelError(f"{model.name!r} cannot be loaded: {model.problem}")
        return model


@dataclass(frozen=True, slots=True, kw_only=True)
class _CrashedEarly(Event):
    """The process crashed before it decoded anything; never leaves this module."""


def engine_of(model: ModelInfo) -> str:
    """The name of the engine that runs a model."""
    return str(model.config.get("engine") or model.model_type.value)
