"""Local models by the names that they are asked by."""

from __future__ import annotations

from typing import Protocol

from multi_llm_comparator.core.exceptions import ModelNotFoundError, MultiLLMError, UnsupportedModelError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.near_names import did_you_mean


class Catalogue(Protocol):
    """Where models are looked up; :class:`~services.model_manager.ModelManager` is one."""

    def find(self, target: str) -> ModelInfo | None:
        """The model of this id or name."""

    def get_available_models(self) -> list[ModelInfo]:
        """All that can be found."""


class KnownModels:
    """Those of the models folders, and those that were handed over by a program.

    Args:
        models: where ids and names are looked up; None knows only what is handed over.
    """

    def __init__(self, models: Catalogue | None) -> None:
        self._models = models
        self._known: dict[str, ModelInfo] = {}

    def know(self, model: ModelInfo) -> None:
        """Have a model found by its id that no models folder holds."""
        self._known[model.id] = model

    def find(self, target: str) -> ModelInfo:
        """The model of this id or name.

        Raises:
            ModelNotFoundError: none is named so; names like it are told.
            UnsupportedModelError: it cannot be loaded, with the reason.
        """
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

    def find_embedder(self, target: str) -> ModelInfo:
        """The same, also an encoder: that is listed as one that cannot be asked, for it writes nothing."""
        found = self._models.find(target) if self._models else None
        return found if found is not None and found.config.get("embeds") else self.find(target)

    def trouble_with(self, target: str) -> MultiLLMError | None:
        """What :meth:`find` raises; None if the model can be tried."""
        try:
            self.find(target)
        except MultiLLMError as exc:
            return exc
        return None
