"""The workbench without pages: what commands and the API alone work with, on their own event loop."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.groups import Gateway, TaskGroupManager
from multi_llm_comparator.groups.config_loader import HeldConfig
from multi_llm_comparator.plans.roles import FindLocal, Reach
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.wiring import Services, full_gateway, wired

# Where commands and the API alone start their runs, as lists show it.
COMMAND_LINE, SERVER = "cli", "server"


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
async def opened(
    models: ModelManager, reach: Reach, local: Callable[[InferenceEngine], TextSource] = lambda engine: engine
) -> AsyncIterator[Services]:
    """What a command works with, on its own event loop; at the end every model process is ended.

    Args:
        models: those of this machine.
        reach: what else can be asked, and how.
        local: who answers for models of this machine; the engine of this process by default.
    """
    for variable, key in reach.keys.items():
        os.environ[variable] = key.get_secret_value()

    def gateway(engine: InferenceEngine) -> Gateway:
        groups = TaskGroupManager(HeldConfig(reach.groups))
        return Gateway(groups, local(engine), local_trouble=engine.trouble_with)

    services = wired(get_settings(), models, gateway, origin=COMMAND_LINE)
    try:
        yield services
    finally:
        await _close(services)


@contextlib.asynccontextmanager
async def opened_alone(
    models: ModelManager, local: Callable[[InferenceEngine], TextSource] | None = None, *, origin: str = SERVER
) -> AsyncIterator[Services]:
    """What the API without pages works with, on its own event loop; at the end every model process is ended.

    Args:
        models: those of this machine.
        local: who answers for them; the engine of this process if None.
        origin: where runs are started, as lists show it.

    Raises:
        StoreError: the database cannot be used.
    """
    groups = TaskGroupManager()
    groups.load_or_empty()

    def gateway(engine: InferenceEngine) -> Gateway:
        return full_gateway(models, groups, engine, local=local(engine) if local else None)

    services = wired(get_settings(), models, gateway, origin=origin)
    try:
        await services.gateway.start()
        if local is None:
            await services.engine.start()
        yield services
    finally:
        await _close(services)


async def _close(services: Services) -> None:
    """End what runs, then every model process."""
    await services.jobs.aclose()
    await services.runs.settle()
    if services.mlflow is not None:
        await services.mlflow.aclose()
    await services.runs.aclose()
    await services.gateway.aclose()
    await services.engine.aclose()
    await services.usage.aclose()
    services.store.close()
