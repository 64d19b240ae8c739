"""Answers from local models: many at once, each in a process of its own."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.embeddings import EmbedRequest, EmbedResult
from multi_llm_comparator.core.events import (
    Event,
    Failed,
    Finished,
    Queued,
)
from multi_llm_comparator.core.exceptions import (
    ModelLoadError,
    MultiLLMError,
    UnsupportedModelError,
)
from multi_llm_comparator.core.models import InferenceResult, ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult
from multi_llm_comparator.core.settings import Settings, get_settings
from multi_llm_comparator.core.token_requests import TokenList, TokenRequest
from multi_llm_comparator.inferencers.base import BaseInferencer
from multi_llm_comparator.services.bridge import get_bridge
from multi_llm_comparator.services.custom_inference import InferencerFactory, stream_custom
from multi_llm_comparator.services.keeping import Keeping
from multi_llm_comparator.services.known_models import Catalogue, KnownModels
from multi_llm_comparator.services.load_options import engine_of, load_options
from multi_llm_comparator.services.loaded_model import LoadedModel, loaded_model
from multi_llm_comparator.services.local_answers import LocalAnswers
from multi_llm_comparator.services.machine_shares import MachineShares
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.residency import Residency
from multi_llm_comparator.services.resident import Resident
from multi_llm_comparator.services.results import iterate_results
from multi_llm_comparator.services.scoring import result_of, tokens_of, vectors_of
from multi_llm_comparator.services.seeing import asked_of, with_notes
from multi_llm_comparator.services.turns import Turns

log = logging.getLogger(__name__)


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
        models: Catalogue | None = None,
        settings: Settings | None = None,
    ) -> None:
        self._settings = settings or get_settings()
        self.memory_manager = memory_manager or MemoryManager(
            max_memory_gb=self._settings.max_memory_gb, mode=self._settings.memory_mode
        )
        self._known = KnownModels(models)
        self._factories: list[InferencerFactory] = []
        self._residency: Residency | None = None
        self.keeping = Keeping(self._settings)
        self._shares = MachineShares(self._settings, self.keeping, self._residents)
        self._answers = LocalAnswers(self._settings, self._table, self._shares)
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
            model = self._known.find(target)
            inferencer = self._custom_inferencer(model)
            request, notes = asked_of(model, request, is_custom=inferencer is not None)
            with self._turns.place() as place:
                if self.memory_manager.mode == "in_turn":
                    async for ahead in place.come_up():
                        yield Queued(request_id=request.id, ahead=ahead)
                ours = self._answers.stream
                events = stream_custom(inferencer, model, request) if inferencer else ours(model, request)
                async with contextlib.aclosing(events) as stream:
                    async for event in stream:
                        over = isinstance(event, Finished | Failed)
                        yield with_notes(event, notes)
        except MultiLLMError as exc:
            if not over:
                yield Failed.of(request.id, exc)

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        """How likely texts are to the local model ``target``. Ask many at once: they are computed together.

        Raises:
            MultiLLMError: why it cannot be told; UnsupportedModelError for a kind of model that only writes.
        """
        request.config.validate()
        model = self._known.find(target)
        if self._custom_inferencer(model):
            raise UnsupportedModelError(f"{model.name!r} is run by an inferencer that only writes; score another model")
        async with self._turn():
            return await result_of(self._answers.stream(model, request))

    async def embed(self, target: str, request: EmbedRequest) -> EmbedResult:
        """Vectors that stand for texts, by the local model ``target``, an encoder or any that writes.

        Raises:
            MultiLLMError: why there are none; UnsupportedModelError for adapters and for a user's own inferencers.
        """
        request.config.validate()
        model = self._known.find_embedder(target)
        if model.base is not None or self._custom_inferencer(model):
            raise UnsupportedModelError(f"{model.name!r} makes no embeddings here; ask its base, or another model")
        async with self._turn():
            return await vectors_of(self._answers.stream(model, request))

    async def tokens(self, target: str, request: TokenRequest) -> TokenList:
        """Ask the tokenizer of the local model ``target``, which is loaded for it; raises what :meth:`score` does."""
        request.config.validate()
        return await tokens_of(self._answers.stream(self._known.find(target), request))

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """A place among the requests, from when it is their turn where the settings have them answered in turn."""
        with self._turns.place() as place:
            if self.memory_manager.mode == "in_turn":
                async for _ in place.come_up():
                    pass
            yield

    def know(self, model: ModelInfo) -> None:
        """Have a model found by its id that no models folder holds."""
        self._known.know(model)

    def trouble_with(self, target: str) -> MultiLLMError | None:
        """Why the model of this id or name cannot be asked at all, as asking it would say; None if it can be tried."""
        return self._known.trouble_with(target)

    # Models in memory

    async def load(self, target: str, config: ModelConfig | None = None) -> None:
        """Load a model ahead of its first question.

        Raises:
            MultiLLMError: why it cannot be.
        """
        model = self._known.find(target).loaded_as
        config = config or ModelConfig()
        config.validate()
        options = load_options(model, config, self._settings.parallel_requests)
        async with self._table().use(model, engine_of(model), options, lambda: None) as resident:
            await self._table().ready(resident)

    async def unload(self, target: str) -> None:
        """Take a model out of memory at once; its running requests fail."""
        await self._table().unload(self._known.find(target).loaded_as.id)

    def loaded_models(self) -> list[LoadedModel]:
        """What is in memory now, with measured memory."""
        return [
            loaded_model(resident, self._table().memory_bytes(resident), self._shares.speeds(resident).known)
            for resident in self._residents()
        ]

    def waiting(self) -> dict[str, int]:
        """How many requests wait for a place in memory, by the name of their model."""
        return self._residency.line.models if self._residency else {}

    async def follow(self, settings: Settings) -> None:
        """Keep models in memory as these settings say, from now on."""
        self.keeping.follow(settings)
        if self._residency is not None:
            self._residency.follow(settings)
            for resident in self._residents():
                self._shares.share_slots(resident)

    async def take_settings(self, settings: Settings) -> None:
        """Bring changed settings into effect: memory limits, and how models are kept."""
        self.memory_manager.max_memory_gb, self.memory_manager.mode = settings.max_memory_gb, settings.memory_mode
        await self.follow(settings)

    async def start(self) -> None:
        """Get ready for PyTorch models. Optional: everything works without, the first answer just comes later."""
        self._table().loader.spare.rest()

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
            self._shares.save()

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
            self._residency = Residency(self.memory_manager, self._settings, self._shares.share_cores, self.keeping)
        return self._residency

    def _residents(self) -> list[Resident]:
        return self._residency.residents() if self._residency else []

    def _custom_inferencer(self, model: ModelInfo) -> BaseInferencer | None:
        try:
            made = (factory(model) for factory in self._factories)
            return next((inferencer for inferencer in made if inferencer is not None), None)
        except Exception as exc:
            log.exception("an inferencer factory failed for %r", model.name)
            raise ModelLoadError(f"an inferencer factory failed for {model.name!r}: {exc}") from exc
