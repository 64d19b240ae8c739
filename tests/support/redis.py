"""A Redis server of a test's own, gone with it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from tests.support.system_packages import find_redis

STARTS_WITHIN_S = 20.0


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """The URL of a fresh server on a socket in ``folder``; without an installed Redis the test fails and says so."""
    program = find_redis()
    if program is None:
        pytest.fail("these tests need Redis; install it with: sudo apt-get install redis-server")
    path = folder / "redis.sock"
    command = [str(program), "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    server = subprocess.Popen([*command, "--dir", str(folder)], stdout=subprocess.DEVNULL)
    try:
        _wait_for(path)
        yield f"unix://{path}"
    finally:
        server.terminate()
        server.wait(STARTS_WITHIN_S)


def _wait_for(path: Path) -> None:
    client = redis.Redis(unix_socket_path=str(path))
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        try:
            client.ping()
        except redis.ConnectionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            client.close()
            return
