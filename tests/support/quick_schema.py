"""Empty databases for tests, made by the statements that the migrations come to: those take longer than most tests."""

from __future__ import annotations

import functools
import sqlite3
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.engine import URL

from multi_llm_comparator.tracking import database

_migrate = database._upgrade


@functools.cache
def _statements() -> tuple[str, ...]:
    with tempfile.TemporaryDirectory(prefix="mlc-schema-") as folder:
        path = Path(folder) / "empty.db"
        url = database.parse_url(f"sqlite:///{path}")
        engine = database._sqlite(url)
        with database.writing(engine) as connection:
            _migrate(connection, url)
        engine.dispose()
        with sqlite3.connect(path) as made:
            found = tuple(line for line in made.iterdump() if line not in ("BEGIN TRANSACTION;", "COMMIT;"))
        made.close()
    return found


def _upgrade(connection: Connection, url: URL) -> None:
    if connection.dialect.name != "sqlite" or connection.dialect.has_table(connection, "alembic_version"):
        _migrate(connection, url)
        return
    for statement in _statements():
        connection.exec_driver_sql(statement)


def make_databases_quickly(patched: pytest.MonkeyPatch) -> None:
    """From here on, a new SQLite database gets its tables at once."""
    patched.setattr(database, "_upgrade", _upgrade)
