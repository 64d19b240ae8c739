"""A real Ray cluster of one machine. It takes 2 GB and some seconds to start."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 180.0
needs_ray = pytest.mark.skipif(shutil.which("ray", path=Path(sys.executable).parent) is None, reason="Ray is missing")


def free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])


class Cluster:
    """A Ray cluster of one machine, with a home of its own, and what it started.

    ``address`` is that of its jobs, ``head`` the one that programs connect with. ``package``: a further folder that its
    processes import from.
    """

    def __init__(self, folder: Path, package: Path | None = None) -> None:
        self.home, self._package = folder / "home", package
        # The names of its sockets would be too long in the folder of a test.
        self._temp = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
        self.address = self.head = ""
        self._log = folder / "ray.log"
        self._head: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        port, head = free_port(), free_port()
        self.address, self.head = f"http://127.0.0.1:{port}", f"127.0.0.1:{head}"
        ports = ["--port", str(head), "--dashboard-port", str(port), "--dashboard-agent-listen-port", str(free_port())]
        bin_folder = Path(sys.executable).parent
        with self._log.open("wb") as printed:
            self._head = subprocess.Popen(
                [
                    str(bin_folder / "ray"),
                    *("start", "--head", "--block", "--num-cpus", "2", "--include-dashboard", "true"),
                    *("--dashboard-host", "127.0.0.1", "--node-ip-address", "127.0.0.1", "--disable-usage-stats"),
                    *("--temp-dir", str(self._temp), *ports),
                ],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={
                    **os.environ,
                    "RAY_USAGE_STATS_ENABLED": "0",
                    "MLC_HOME": str(self.home),
                    "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
                    "PYTHONPATH": os.pathsep.join(map(str, filter(None, (ROOT, self._package)))),
                },
            )
        async with asyncio.timeout(START_TIMEOUT_S):
            while not self._is_ready():
                await asyncio.sleep(0.2)

    def _is_ready(self) -> bool:
        assert self._head is not None and self._head.poll() is None, self._log.read_text(errors="replace")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with contextlib.suppress(OSError), opener.open(f"{self.address}/api/version", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    def stop(self) -> None:
        """End it, and all that it started and no other cluster of this machine did."""
        if self._head is None:
            return
        with contextlib.suppress(psutil.Error):
            started = psutil.Process(self._head.pid).children(recursive=True)
            self._head.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._head.wait(5)
            for process in started:
                with contextlib.suppress(psutil.Error):
                    process.kill()
        self._head.kill()
        self._head.wait()
        self._head = None
        shutil.rmtree(self._temp, ignore_errors=True)
