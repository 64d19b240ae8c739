"""Engines over real model processes, with scripted models: timing and failure are the point there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.memory_manager import MemoryManager
from tests.services.asking import LONG
from tests.support.scripted_models import Catalogue, scripted_model


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[Callable[..., InferenceEngine]]:
    engines: list[InferenceEngine] = []

    def make(*models: ModelInfo, memory: MemoryManager | None = None, **settings: Any) -> InferenceEngine:
        settings = {"spare_process": False, "home": tmp_path, "hang_timeout_s": 60, **settings}
        engine = InferenceEngine(memory, models=Catalogue(*models), settings=Settings(**settings))
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        await engine.aclose()


@pytest.fixture
def slow(tmp_path: Path) -> ModelInfo:
    return scripted_model(tmp_path, "slow", otherwise=LONG, tokens_per_second=100)


@pytest.fixture
def quick(tmp_path: Path) -> ModelInfo:
    return scripted_model(tmp_path, "quick", otherwise="all done now")
