from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from multi_llm_comparator.tracking.database import open_engine, parse_url
from multi_llm_comparator.tracking.store import Store
from tests.support.postgres import new_database, running_postgres


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    with running_postgres() as folder:
        yield folder


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    return new_database(request.getfixturevalue("postgres_socket"))


@pytest.fixture(scope="session")
def shared_postgres_url(postgres_socket: Path) -> str:
    return new_database(postgres_socket)


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where ``store`` is: a file of its own, or a Postgres database whose tables were emptied."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'runs.db'}"
    url = request.getfixturevalue("shared_postgres_url")
    engine = open_engine(parse_url(url))
    with engine.begin() as connection:
        connection.execute(text("TRUNCATE runs, api_keys, api_usage CASCADE"))
    engine.dispose()
    return str(url)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    opened = Store(store_url)
    yield opened
    opened.close()
