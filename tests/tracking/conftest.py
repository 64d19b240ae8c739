from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from multi_llm_comparator.tracking.store import Store
from tests.support.postgres import new_database, running_postgres


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    with running_postgres() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request, tmp_path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    return new_database(request.getfixturevalue("postgres_socket"))


@pytest.fixture
def store(database_url) -> Iterator[Store]:
    opened = Store(database_url)
    yield opened
    opened.close()
