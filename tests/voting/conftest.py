from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.tracking.store import Store
from tests.voting.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    world = World(store)
    yield world
    await world.runs.aclose()
    store.close()
