"""A Postgres of the tests' own: made in a temporary folder, reached by a socket in it, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.support.system_packages import find_postgres

_ROLE = "tester"
# Nothing here needs to survive a power cut.
_FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses= -c max_connections=40"


@contextmanager
def running_postgres() -> Iterator[Path]:
    """Run a server and give the folder of its socket; without an installed Postgres the test fails and says so."""
    programs = find_postgres()
    if programs is None:
        pytest.fail("these tests need Postgres; install it with: sudo apt-get install postgresql")
    # Not below pytest's own folders: a socket's path has at most 107 characters.
    folder = Path(tempfile.mkdtemp(prefix="mlc-pg-"))
    as_user = _drop_root(folder)
    data = folder / "data"
    try:
        _run([*as_user, programs / "initdb", "-D", data, "-A", "trust", "-U", _ROLE, "-E", "UTF8", "--locale=C", "-N"])
        control: list[str | Path] = [*as_user, programs / "pg_ctl", "-D", data, "-w", "-t", "60"]
        _run([*control, "-l", folder / "log", "-o", f"{_FAST} -k {folder}", "start"])
        try:
            yield folder
        finally:
            _run([*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(socket_folder: Path) -> str:
    """The URL of an empty database on that server."""
    name = f"db_{uuid.uuid4().hex}"
    with psycopg.connect(host=str(socket_folder), user=_ROLE, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"postgresql://{_ROLE}@/{name}?host={socket_folder}"


def _drop_root(folder: Path) -> list[str]:
    """Postgres refuses to run as root: the user that its package made runs it then."""
    if os.geteuid() != 0:
        return []
    shutil.chown(folder, "postgres")
    return ["runuser", "-u", "postgres", "--"]


def _run(command: list[str | Path]) -> None:
    # Output goes to a file: the server keeps what it inherits open, and a pipe would never end.
    with tempfile.TemporaryFile() as out:
        done = subprocess.run(command, stdout=out, stderr=out, check=False, cwd="/")
        out.seek(0)
        assert done.returncode == 0, f"{command[-1]!r} of Postgres failed: {out.read().decode()[-2000:]}"
