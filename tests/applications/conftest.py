from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.tracking.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{tmp_path / 'runs.db'}")
    yield store
    store.close()
