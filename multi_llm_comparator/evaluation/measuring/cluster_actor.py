"""What runs on a machine of a Ray cluster: a local engine, of which the program that measures asks items."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from multi_llm_comparator import __version__
from multi_llm_comparator.core.events import Event, Failed
from multi_llm_comparator.core.exceptions import ModelNotFoundError, MultiLLMError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult
from multi_llm_comparator.core.telemetry import switch_off_telemetry
from multi_llm_comparator.services.inference_engine import InferenceEngine


@dataclass(frozen=True, slots=True)
class Refused:
    """An error of ours, as plain data: what an actor raises comes back wrapped in Ray's own."""

    error_type: str
    message: str


class ClusterActor:
    """Answers as the engine of the program that measures would, with models that lie under the same paths here.

    Args:
        models: those that are asked, by their targets.
    """

    def __init__(self, models: dict[str, ModelInfo]) -> None:
        switch_off_telemetry()
        self._models = models
        self._engine = InferenceEngine()
        for model in models.values():
            self._engine.know(model)

    async def version(self) -> str:
        """That of the workbench here; also tells that the actor has a place."""
        return __version__

    async def events(self, target: str, request: GenerationRequest) -> Sequence[Event]:
        """All events of one answer."""
        try:
            model = self._found(target)
        except MultiLLMError as exc:
            return [Failed.of(request.id, exc)]
        return [event async for event in self._engine.stream(model.id, request)]

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult | Refused:
        try:
            return await self._engine.score(self._found(target).id, request)
        except MultiLLMError as exc:
            return Refused(type(exc).__name__, str(exc))

    async def aclose(self) -> None:
        await self._engine.aclose()

    def _found(self, target: str) -> ModelInfo:
        model = self._models[target]
        for path in (model.path, model.loaded_as.path):
            if not Path(path).exists():
                raise ModelNotFoundError(
                    f"{path!r} is not on {socket.gethostname()!r}, a machine of the cluster; share the models' folder "
                    "with it under the same path"
                )
        return model
