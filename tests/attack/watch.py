"""The app under attack, seen from outside: how long `/health` takes, what memory is used, whom it talks to."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.attack.bodies import send_bodies

ROOT = Path(__file__).parents[2]
ASK_EVERY_S = 0.05
LOOK_EVERY_S = 0.25
END_S = 60.0
FOREIGN_SOCKETS = 100
BODIES = 2000
_FOREIGN = (
    "GET /_stcore/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://attacker.test\r\nConnection: Upgrade\r\n"
    "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass
class Seen:
    """The worst of one attack. Memory in bytes: of the app itself, and of one of its model processes.

    ``connections`` are the addresses beyond this machine that any process of the app was connected to.
    """

    health_s: float = 0.0
    app_bytes: int = 0
    child_bytes: int = 0
    connections: set[str] = field(default_factory=set)


class Watcher:
    """Looks at a running app until it is closed."""

    def __init__(self, process: psutil.Process, address: str) -> None:
        self._process, self._address = process, address
        self._seen = Seen()
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._ask, self._look)]
        for thread in self._threads:
            thread.start()

    def take(self) -> Seen:
        """What was seen since the last time."""
        seen, self._seen = self._seen, Seen()
        return seen

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with httpx2.Client(timeout=60.0, trust_env=False) as client:
            while not self._ended.wait(ASK_EVERY_S):
                start = time.perf_counter()
                client.get(f"{self._address}/health").raise_for_status()
                self._seen.health_s = max(self._seen.health_s, time.perf_counter() - start)

    def _look(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            with contextlib.suppress(psutil.NoSuchProcess):
                seen = self._seen
                seen.app_bytes = max(seen.app_bytes, self._process.memory_info().rss)
                for child in self._process.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        seen.child_bytes = max(seen.child_bytes, child.memory_info().rss)
                        seen.connections |= _outside(child)
                seen.connections |= _outside(self._process)


def _outside(process: psutil.Process) -> set[str]:
    remote = [connection.raddr.ip for connection in process.net_connections("inet") if connection.raddr]
    return {address for address in remote if not ip_address(address.removeprefix("::ffff:")).is_loopback}


@dataclass(frozen=True)
class Row:
    """One attack, how it went inside, and what was seen of it outside."""

    outcome: dict[str, Any]
    seen: Seen
    seconds: float


@contextmanager
def attacked_app(folder: Path, home: Path, seed: int, share: float) -> Iterator[Iterator[Row]]:
    """Start the app on an empty home and models folder and attack it; gives a row when each attack is over."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (home / "models").mkdir(parents=True)
    environment = {
        **os.environ,
        "MLC_HOME": str(home / "home"),
        "MLC_MODELS_DIR": str(home / "models"),
        "MLC_FIRST_MODEL": "false",
        "PYTHONPATH": str(ROOT),
    }
    code = "from tests.attack.attacked_app import main; main()"
    command = [sys.executable, "-c", code, str(folder), str(seed), str(share), "--port", str(port), "--no-browser"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert "running at" in process.stdout.readline(), "the app did not start"
        yield _rows(process, port, seed, share)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _rows(process: subprocess.Popen[str], port: int, seed: int, share: float) -> Iterator[Row]:
    assert process.stdin is not None and process.stdout is not None
    watcher = Watcher(psutil.Process(process.pid), f"http://127.0.0.1:{port}")
    try:
        start = time.monotonic()
        refused = asyncio.run(_foreign_sockets(port))
        flood = {"name": "a foreign page's websockets, at once", "count": FOREIGN_SOCKETS, "refused": refused}
        # What slows the app because of them need not do so at once.
        time.sleep(1.0)
        yield Row({**flood, "findings": []}, watcher.take(), time.monotonic() - start)
        start = time.monotonic()
        sent = send_bodies(f"http://127.0.0.1:{port}", seed, round(BODIES * share))
        yield Row(asdict(sent), watcher.take(), time.monotonic() - start)
        process.stdin.write("begin\n")
        process.stdin.flush()
        start = time.monotonic()
        while (line := process.stdout.readline()).strip():
            if line.startswith("{"):
                yield Row(json.loads(line), watcher.take(), time.monotonic() - start)
                start = time.monotonic()
        assert process.poll() is None, "the app ended under attack"
    finally:
        watcher.close()


async def _foreign_sockets(port: int) -> int:
    """Open websockets as a page of others would, all at once, and return how many were refused."""

    async def one() -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_FOREIGN.format(port=port).encode())
        answer = await reader.readline()
        writer.close()
        return b" 403 " in answer

    return sum(await asyncio.gather(*(one() for _ in range(FOREIGN_SOCKETS))))
