"""Models whose timing and failures a test decides; they run in real model processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.models import ModelInfo, ModelType


def scripted_model(folder: Path, name: str, **script: Any) -> ModelInfo:
    """Write a script (fields of ``inferencers.script.Script``) and describe it as a model."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(script), encoding="utf-8")
    return ModelInfo("", name, str(path), ModelType.CUSTOM, path.stat().st_size, {"engine": "scripted"})


class Catalogue:
    """Stands where ModelManager does: finds a model by its name or id."""

    def __init__(self, *models: ModelInfo) -> None:
        self._models = models

    def find(self, target: str) -> ModelInfo | None:
        return next((m for m in self._models if target in (m.name, m.id)), None)

    def get_available_models(self) -> list[ModelInfo]:
        return list(self._models)
