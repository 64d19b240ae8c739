from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.evaluation.measuring.making import Opened, no_tasks


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'runs.db'}")


@pytest.fixture
async def opened(store: Store) -> AsyncIterator[Opened]:
    registries: list[EvaluationRegistry] = []

    def make(source: Any, **more: Any) -> EvaluationRegistry:
        tasks = more.pop("tasks", no_tasks)
        registry = EvaluationRegistry(RunRegistry(store, save_interval_s=0.02), Sources(source, **more), tasks)
        registries.append(registry)
        return registry

    yield make
    for registry in registries:
        await registry.runs.aclose()
