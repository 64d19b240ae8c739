from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.tracking.store import Store
from tests.cooperation.making import Cooperating
from tests.support.gateways import ActingSource


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield store
    store.close()


@pytest.fixture
def source() -> ActingSource:
    return ActingSource()


@pytest.fixture
async def work(store: Store, source: ActingSource) -> AsyncIterator[Cooperating]:
    opened = Cooperating(store, source)
    yield opened
    await opened.runs.aclose()
    assert not source.running.total()
