from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.support.scripted_source import ScriptedSource

KNOWN = {
    "m1": ModelInfo("m1", "demo-small", "/models/demo-small", ModelType.PYTORCH, 4_000, {"parameters": 1_000_000}),
    "m2": ModelInfo("m2", "demo-large", "/models/demo-large.gguf", ModelType.GGUF, 9_000, {"quantization": "Q8_0"}),
}


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    opened = Store(database_url)
    yield opened
    opened.close()


@pytest.fixture
def source() -> ScriptedSource:
    return ScriptedSource()


@pytest.fixture
async def registry(store: Store, source: ScriptedSource) -> AsyncIterator[ComparisonRegistry]:
    made = ComparisonRegistry(
        RunRegistry(store, save_interval_s=0.02), source, KNOWN.get, lambda info: f"sha256:{info.id}"
    )
    yield made
    await made.runs.aclose()
