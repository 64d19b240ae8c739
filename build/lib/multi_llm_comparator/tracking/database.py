"""Opening the database: its URL, how connections behave, and its schema brought up to date."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from multi_llm_comparator.core.exceptions import ConfigurationError, DamagedStoreError, StoreError
from multi_llm_comparator.core.private_files import tighten
from multi_llm_comparator.tracking.tables import SCHEMA_REVISION

BUSY_TIMEOUT_MS = 15_000
# Any number: what matters is that every workbench on one Postgres asks for the same lock.
_MIGRATION_LOCK = 7_155_932_001


def parse_url(url: str) -> URL:
    """Read a database URL; Postgres is always spoken to by psycopg 3.

    Raises:
        ConfigurationError: not a URL, or a database that is neither a SQLite file nor Postgres.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise ConfigurationError("database_url is not a URL such as sqlite:////home/me/runs.db") from exc
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise ConfigurationError(f"database_url names {backend!r}; use a sqlite:/// file or postgresql://")
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError("database_url must name a file: sqlite:////home/me/runs.db")
    return parsed.set(drivername="sqlite")


def database_file(url: str) -> Path | None:
    """The file that a database URL names; None for a server.

    Raises:
        ConfigurationError: see :func:`parse_url`.
    """
    parsed = parse_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None


def open_engine(url: URL) -> Engine:
    """Connect and bring the schema up to date; two processes may do so at the same time.

    Raises:
        ConfigurationError: the driver for this database is not installed.
        StoreError: it cannot be reached, is damaged, or was written by a newer version.
    """
    with translated(url):
        engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgres(url)
        _migrate(engine, url)
    return engine


def _sqlite(url: URL) -> Engine:
    path = Path(str(url.database))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreError(f"the folder of the database {str(path)!r} cannot be made: {exc.strerror or exc}") from exc
    if path.exists() and not path.is_file():
        raise StoreError(f"the database {str(path)!r} is not a regular file; move it away, or name another")
    for part in _files_of(path):
        tighten(part)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})

    # The sqlite3 module would begin transactions late and never for DDL; with isolation_level None we begin them. A
    # writer takes its lock at the beginning: in WAL mode, a reader that turns writer fails instead of waiting.
    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except ModuleNotFoundError as exc:
        raise ConfigurationError("Postgres needs one more package: pip install 'psycopg[binary]'") from exc


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A short transaction that writes."""
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


def _migrate(engine: Engine, url: URL) -> None:
    if _revision(engine) == SCHEMA_REVISION:
        return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
        _upgrade(connection, url)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not engine.dialect.has_table(connection, "alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, url: URL) -> None:
    # Imported here: it takes a fifth of a second, and only the first start and the one after an update need it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as exc:
        raise StoreError(
            f"{describe(url)} was written by a newer version ({exc}); update this program, or use another database"
        ) from exc


def set_aside(url: str) -> Path | None:
    """Rename a SQLite file, and what belongs to it, with the date; its new name, or None where there is none.

    Raises:
        ConfigurationError: the database is not a file.
        StoreError: it cannot be renamed.
    """
    path = database_file(url)
    if path is None:
        raise ConfigurationError("a database on a server cannot be set aside from here; look after it there")
    ending = f".damaged-{datetime.now():%Y%m%d-%H%M%S}"
    try:
        for part in _files_of(path):
            if part.exists():
                part.rename(part.with_name(part.name + ending))
    except OSError as exc:
        raise StoreError(f"the database {str(path)!r} cannot be renamed: {exc.strerror or exc}") from exc
    aside = path.with_name(path.name + ending)
    return aside if aside.exists() else None


def _files_of(path: Path) -> tuple[Path, ...]:
    return tuple(path.with_name(path.name + ending) for ending in ("", "-wal", "-shm"))


def describe(url: URL) -> str:
    """The database as a message may name it: without its password."""
    return repr(url.database) if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Turns what the database raises into a StoreError that says which database and what to do."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as exc:
        cause = getattr(exc, "orig", None) or exc
        kind = DamagedStoreError if _is_damaged(str(cause)) else StoreError
        raise kind(f"{_trouble(url, str(cause))} ({' '.join(str(cause).split())[:300]})") from exc


def _is_damaged(cause: str) -> bool:
    return any(sign in cause.lower() for sign in ("not a database", "malformed", "corrupt"))


def _trouble(url: URL, cause: str) -> str:
    name, cause = describe(url), cause.lower()
    if url.get_backend_name() != "sqlite":
        return f"the database {name} did not answer as it should: is it running, and may this user write to it?"
    if _is_damaged(cause):
        return (
            f"the database {name} is damaged: restore a copy, or start with 'python app.py --set-database-aside', "
            "which renames it and begins a new one"
        )
    if "locked" in cause:
        return f"the database {name} is held by another program; close that and try again"
    if "readonly" in cause or "unable to open" in cause:
        return f"the database {name} cannot be opened for writing: check the permissions of the file and its folder"
    if "full" in cause:
        return f"the disk of the database {name} is full; make room and try again"
    if "disk i/o error" in cause:
        return f"the database {name} cannot be read or written: its disk is full, over its quota, or failing"
    return f"the database {name} refused"
