"""Empty databases for tests, made by the statements that the migrations come to: those take longer than most tests."""

from __future__ import annotations

import functools
import os
import sqlite3
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine import URL

from multi_llm_comparator.tracking import database

_migrate, _open = database._upgrade, database._sqlite


@functools.cache
def statements() -> tuple[str, ...]:
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
    for statement in statements():
        connection.exec_driver_sql(statement)


def _without_waiting(url: URL) -> Engine:
    engine = _open(url)

    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")

    return engine


def make_databases_quickly(patched: pytest.MonkeyPatch) -> None:
    """From here on, a new SQLite database gets its tables at once, and nothing that is written waits for the disk: a
    killed process loses none of it, only a machine without power would."""
    patched.setattr(database, "_upgrade", _upgrade)
    patched.setattr(database, "_sqlite", _without_waiting)
    patched.setattr(os, "fsync", lambda descriptor: None)
