"""What a command works with: the models of this machine, the gateway over them, and the stored runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.plans.registry import PlanRegistry
from multi_llm_comparator.plans.roles import FindLocal, Reach
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.tracking.store import Store


@dataclass(frozen=True)
class Workplace:
    store: Store
    gateway: Gateway
    plans: PlanRegistry


class _HeldGroups:
    """Groups that are made, not read from a file."""

    def __init__(self, groups: dict[str, Any]) -> None:
        self._groups = groups

    def load(self, name: str) -> dict[str, Any]:
        return self._groups


def scanned_models() -> ModelManager:
    """The models of this machine."""
    models = ModelManager(get_settings().models_dir)
    models.scan_models()
    return models


def finder(models: ModelManager) -> FindLocal:
    """Finds a model by id, name or folder."""

    def find(name: str) -> str | None:
        if models.find(name) is not None:
            return name
        path = Path(name).expanduser()
        here = [m for m in models.get_available_models() if path.exists() and Path(m.path).resolve() == path.resolve()]
        return here[0].id if here else None

    return find


def local_names(models: ModelManager) -> list[str]:
    """What can be loaded here, by name: what a mistyped one is compared with."""
    return [model.name for model in models.get_available_models() if model.is_loadable]


@contextlib.asynccontextmanager
async def opened(models: ModelManager, reach: Reach) -> AsyncIterator[Workplace]:
    """The workplace; at the end every model process is ended."""
    for variable, key in reach.keys.items():
        os.environ[variable] = key.get_secret_value()
    settings = get_settings()
    store = Store(settings.resolved_database_url)
    engine = InferenceEngine(models=models, settings=settings)
    gateway = Gateway(TaskGroupManager(_HeldGroups(reach.groups)), engine, local_trouble=engine.trouble_with)
    plans = PlanRegistry(store, gateway)
    try:
        yield Workplace(store, gateway, plans)
    finally:
        await plans.aclose()
        await gateway.aclose()
        await engine.aclose()
        store.close()
