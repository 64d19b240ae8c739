"""Answers from local models: many at once, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.cpus import available_cpus, cpu_name
from multi_llm_comparator.core.embeddings import EmbedRequest, EmbedResult
from multi_llm_comparator.core.events import (
    ENDS,
    WRITTEN,
    Event,
    Failed,
    Finished,
    Loaded,
    Loading,
    LoadProgressed,
    MemoryMeasured,
    Queued,
)
from multi_llm_comparator.core.exceptions import (
    ModelLoadError,
    ModelNotFoundError,
    ModelProcessDied,
    MultiLLMError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.models import InferenceResult, ModelInfo, ModelType
from multi_llm_comparator.core.near_names import did_you_mean
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.core.token_requests import TokenList, TokenRequest
from multi_llm_comparator.inferencers.base import BaseInferencer, LoadOptions
from multi_llm_comparator.services.adapters import adapted
from multi_llm_comparator.services.bridge import get_bridge
from multi_llm_comparator.services.custom_inference import InferencerFactory, stream_custom
from multi_llm_comparator.services.devices import CPU, same_memory
from multi_llm_comparator.services.keeping import Keeping
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.services.model_process import AnyRequest
from multi_llm_comparator.services.observer import Observer
from multi_llm_comparator.services.residency import Residency, Resident, ResidentState
from multi_llm_comparator.services.results import iterate_results
from multi_llm_comparator.services.scoring import result_of, tokens_of, vectors_of
from multi_llm_comparator.services.seeing import asked_of, with_notes
from multi_llm_comparator.services.slot_tuning import SpeedBook, Speeds
from multi_llm_comparator.services.step_meter import StepTimes
from multi_llm_comparator.services.tool_calls import reading_calls, with_tools
from multi_llm_comparator.services.turns import Turns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One model in memory, as a page shows it. ``active`` counts its requests; ``idle_since`` None means busy.

    ``slots`` requests are decoded together at most; ``speeds`` are tokens/s of so many together, as far as known.
    """

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
    slots: int
    speeds: dict[int, float]


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
        self.keeping = Keeping(self._settings)
        self._speeds = SpeedBook(self._settings.home / "slots.json", f"{cpu_name()}, {available_cpus()} cores")
        self._turns = Turns()
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
            request, notes = asked_of(model, request, is_custom=inferencer is not None)
            with self._turns.place() as place:
                if self.memory_manager.mode == "in_turn":
                    async for ahead in place.come_up():
                        yield Queued(request_id=request.id, ahead=ahead)
                events = stream_custom(inferencer, model, request) if inferencer else self._stream_local(model, request)
                async with contextlib.aclosing(events) as stream:
                    async for event in stream:
                        over = isinstance(event, Finished | Failed)
                        yield with_notes(event, notes)
        except MultiLLMError as exc:
            if not over:
                yield Failed(request_id=request.id, error_type=type(exc).__name__, message=str(exc))

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        """How likely texts are to the local model ``target``. Ask many at once: they are computed together.

        Raises:
            MultiLLMError: why it cannot be told; UnsupportedModelError for a kind of model that only writes.
        """
        request.config.validate()
        model = self._resolve(target)
        if self._custom_inferencer(model):
            raise UnsupportedModelError(f"{model.name!r} is run by an inferencer that only writes; score another model")
        with self._turns.place() as place:
            if self.memory_manager.mode == "in_turn":
                async for _ in place.come_up():
                    pass
            return await result_of(self._stream_local(model, request))

    async def embed(self, target: str, request: EmbedRequest) -> EmbedResult:
        """Vectors that stand for texts, by the local model ``target``, an encoder or any that writes.

        Raises:
            MultiLLMError: why there are none; UnsupportedModelError for adapters and for a user's own inferencers.
        """
        request.config.validate()
        model = self._embedder(target) or self._resolve(target)
        if model.base is not None or self._custom_inferencer(model):
            raise UnsupportedModelError(f"{model.name!r} makes no embeddings here; ask its base, or another model")
        with self._turns.place() as place:
            if self.memory_manager.mode == "in_turn":
                async for _ in place.come_up():
                    pass
            return await vectors_of(self._stream_local(model, request))

    def _embedder(self, target: str) -> ModelInfo | None:
        """An encoder: it is listed as one that cannot be asked, for it writes nothing."""
        found = self._models.find(target) if self._models else None
        return found if found is not None and found.config.get("embeds") else None

    async def tokens(self, target: str, request: TokenRequest) -> TokenList:
        """Ask the tokenizer of the local model ``target``, which is loaded for it; raises what :meth:`score` does."""
        request.config.validate()
        return await tokens_of(self._stream_local(self._resolve(target), request))

    async def _stream_local(self, model: ModelInfo, request: AnyRequest) -> AsyncGenerator[Event, None]:
        """Answer in a model process; a crash before its first token ever is tried once more with safe settings."""
        if not isinstance(request, EmbedRequest):
            model, request = await adapted(model, request, self._settings.home)
        options = load_options(model, request.config, self._settings.parallel_requests)
        for safe in (False, True):
            waiting = asyncio.Event()
            use = self._table().use(model, engine_of(model), options, waiting.set, safe=safe)
            async with contextlib.AsyncExitStack() as stack:
                entry = asyncio.ensure_future(stack.enter_async_context(use))
                try:
                    if not await _is_done_without(waiting, entry):
                        yield Queued(request_id=request.id)
                    resident = await entry
                finally:
                    await _give_up(entry)
                is_over = False
                async with contextlib.aclosing(self._answer(resident, request)) as events:
                    async for event in events:
                        is_over = isinstance(event, ENDS)
                        yield event
            if is_over:
                return

    async def _answer(self, resident: Resident, request: AnyRequest) -> AsyncGenerator[Event, None]:
        """The answer of one model in memory; without an end where its process crashed early."""
        loaded_before = resident.state == "ready"
        if not loaded_before:
            yield Loading(request_id=request.id, model=resident.model.name)
            async for taken_bytes in self._table().coming(resident):
                yield LoadProgressed(
                    request_id=request.id,
                    model=resident.model.name,
                    seconds=now() - resident.loading_since,
                    memory_bytes=taken_bytes,
                    expected_bytes=resident.estimate.total_bytes,
                )
        process = await self._table().ready(resident)
        process.on_speed = functools.partial(self._learn, resident)
        self._share_threads()
        self._share_slots(resident)
        yield Loaded(
            request_id=request.id,
            model=resident.model.name,
            seconds=0.0 if loaded_before else resident.load_s,
            memory_bytes=await self._table().measure(resident),
            notes=tuple(resident.info["notes"]),
        )
        observer = Observer()
        resident.decoding += 1
        try:
            request, calls = with_tools(request, resident.info)
            async with contextlib.aclosing(reading_calls(process.generate(request), calls)) as events:
                async for event in events:
                    if isinstance(event, Failed) and await self._crashed_early(resident, event):
                        return
                    if isinstance(event, WRITTEN) and (contended := observer.contended(event, *self._beside(resident))):
                        yield contended
                    held = await self._table().measure(resident) if observer.is_measuring_due(event) else None
                    if held is not None:
                        yield MemoryMeasured(request_id=event.request_id, at=event.at, memory_bytes=held)
                    yield event
        finally:
            resident.decoding -= 1

    async def _crashed_early(self, resident: Resident, event: Failed) -> bool:
        process = resident.process
        if process is None or event.error_type != ModelProcessDied.__name__ or resident.options.safe:
            return False
        if process.has_decoded or not process.crashed:
            return False
        await self._table().remember_crash(resident)
        return True

    def _beside(self, resident: Resident) -> tuple[set[str], int]:
        """The models that decode on the same device, and how many other requests this one decodes itself."""
        others = (r for r in self._table().residents() if r.key != resident.key and r.decoding)
        return {r.model.name for r in others if same_memory(r.device, resident.device)}, resident.batched

    def _share_threads(self) -> None:
        """Divide the cores among the models that are at work: more threads than cores spin against each other."""
        busy = [r for r in self._table().residents() if r.active and r.device == CPU]
        share = max(1, available_cpus() // max(1, len(busy)))
        for resident in busy:
            if resident.process is not None and resident.state == "ready" and resident.process.is_alive:
                resident.process.set_threads(min(share, resident.options.n_threads or share))

    def _learn(self, resident: Resident, times: StepTimes) -> None:
        """Note how fast a model is, unless others were at work beside it, and have it decode as many as pays."""
        if any(other.decoding for other in self._table().residents() if other is not resident):
            return
        speeds = self._speeds_of(resident)
        for rows, (steps, spent) in times.items():
            speeds.note(rows, steps, spent)
        self._share_slots(resident)

    def _share_slots(self, resident: Resident) -> None:
        wanted = self.keeping.slots(resident.model, resident.options.parallel, self._speeds_of(resident))
        process = resident.process
        if wanted != (resident.slots or resident.options.parallel) and process is not None and process.is_alive:
            process.set_slots(wanted)
        resident.slots = wanted

    def _speeds_of(self, resident: Resident) -> Speeds:
        options = resident.options
        return self._speeds.of(
            f"{resident.model.id}:{resident.model.size}:{options.torch_dtype}:{options.quantization}"
        )

    # Models in memory

    async def load(self, target: str, config: ModelConfig | None = None) -> None:
        """Load a model ahead of its first question.

        Raises:
            MultiLLMError: why it cannot be.
        """
        model = self._resolve(target).loaded_as
        config = config or ModelConfig()
        config.validate()
        options = load_options(model, config, self._settings.parallel_requests)
        async with self._table().use(model, engine_of(model), options, lambda: None) as resident:
            await self._table().ready(resident)

    async def unload(self, target: str) -> None:
        """Take a model out of memory at once; its running requests fail."""
        await self._table().unload(self._resolve(target).loaded_as.id)

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
            slots=resident.slots or resident.options.parallel,
            speeds=self._speeds_of(resident).known,
        )

    def waiting(self) -> dict[str, int]:
        """How many requests wait for a place in memory, by the name of their model."""
        return self._residency.line.models if self._residency else {}

    async def follow(self, settings: Settings) -> None:
        """Keep models in memory as these settings say, from now on."""
        self.keeping.follow(settings)
        if self._residency is not None:
            self._residency.follow(settings)
            for resident in self._residency.residents():
                self._share_slots(resident)

    async def start(self) -> None:
        """Get ready for PyTorch models. Optional: everything works without, the first answer just comes later."""
        self._table().spare.rest()

    async def load_at_start(self) -> None:
        """Load the models that the settings want in memory from the beginning, one after another; what cannot be
        loaded is in the log, and asked for again by whoever needs it."""
        for target in self.keeping.at_start:
            try:
                await self.load(target)
            except MultiLLMError as exc:
                log.warning("%r is not loaded at the start: %s", target, exc)

    async def aclose(self) -> None:
        """End all model processes."""
        if self._residency is not None:
            await self._residency.aclose()
            self._residency = None
            try:
                # Not in a thread: at the end of a program none can be begun any more. It is a small file.
                self._speeds.save()
            except OSError as exc:
                log.warning("what was learnt about speeds cannot be written down (%s), and is learnt anew", exc)

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
            self.know(model)
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
            self._residency = Residency(self.memory_manager, self._settings, self._rebalance, self.keeping)
        return self._residency

    def _rebalance(self) -> None:
        if self._residency is not None:
            self._share_threads()

    def _custom_inferencer(self, model: ModelInfo) -> BaseInferencer | None:
        try:
            made = (factory(model) for factory in self._factories)
            return next((inferencer for inferencer in made if inferencer is not None), None)
        except Exception as exc:
            log.exception("an inferencer factory failed for %r", model.name)
            raise ModelLoadError(f"an inferencer factory failed for {model.name!r}: {exc}") from exc

    def know(self, model: ModelInfo) -> None:
        """Have a model found by its id that no models folder holds."""
        self._known[model.id] = model

    def trouble_with(self, target: str) -> MultiLLMError | None:
        """Why the model of this id or name cannot be asked at all, as asking it would say; None if it can be tried."""
        try:
            self._resolve(target)
        except MultiLLMError as exc:
            return exc
        return None

    def _resolve(self, target: str) -> ModelInfo:
        model = self._known.get(target) or (self._models.find(target) if self._models else None)
        if model is None:
            names = [m.name for m in self._models.get_available_models() if m.is_loadable] if self._models else []
            raise ModelNotFoundError(
                f"no model named {target!r} is on this machine{did_you_mean(target, names)} "
                "(the Models page lists them, and scans again)"
            )
        if model.problem:
            raise UnsupportedModelError(f"{model.name!r} cannot be loaded: {model.problem}")
        return model


async def _is_done_without(waiting: asyncio.Event, entry: asyncio.Future[Resident]) -> bool:
    """Whether ``entry`` is done before ``waiting`` says that it has to wait."""
    waited = asyncio.ensure_future(waiting.wait())
    both: set[asyncio.Future[Any]] = {entry, waited}
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waited.cancel()
    return entry.done()


async def _give_up(entry: asyncio.Future[Resident]) -> None:
    """Wait for nothing any more, if it is still waited for."""
    if not entry.done():
        entry.cancel()
        with contextlib.suppress(asyncio.CancelledError, MultiLLMError):
            await entry


def load_options(model: ModelInfo, config: ModelConfig, parallel: int) -> LoadOptions:
    """How a model is loaded for this configuration.

    The usual context is nobody's wish: a model that was made for less gets what it was made for, so that those who
    leave it as it is share one loaded model with those who ask for just that.
    """
    options = LoadOptions.from_config(config, parallel=parallel)
    trained = model.config.get("context_length") or options.n_ctx
    options = replace(options, projector=model.config.get("projector", ""))
    return replace(options, n_ctx=min(options.n_ctx, trained)) if options.n_ctx == ModelConfig.n_ctx else options


def engine_of(model: ModelInfo) -> str:
    """The name of the engine that runs a model."""
    return str(model.config.get("engine") or model.model_type.value)
