"""Where the servers listen that processes of tests are forked from.

One set of them serves all workers of a run: what they import takes half a minute of a processor's time. Whoever starts
the workers has them listen, and starts each when somebody first connects to it.
"""

from __future__ import annotations

import atexit
import os
import selectors
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE
from multi_llm_comparator.services.child_process import child_environment
from tests.support.warm_launcher import APP, COMMANDS

ROOT = Path(__file__).parents[2]
# With llama.cpp and without torch: a process that needs it imports it itself, or is forked from one that has.
LIGHT_ENGINE = "scripted"
# All that there are servers for.
SERVED = (LIGHT_ENGINE, PRELOADED_ENGINE, COMMANDS, APP)
# With an engine's name behind it, in the environment: where its server listens.
WARM_PLACE = "MLC_TEST_WARM_PLACE_"
# Arrow's allocator has a thread of its own once pandas or datasets import it, and commands and apps are not forked from
# a process that has more than one.
WITHOUT_THREADS = {"JE_ARROW_MALLOC_CONF": "background_thread:false"}
# As many may ask before the server has begun.
BACKLOG = 64


class WarmServer:
    """A server for tests; it ends with this process. ``listening`` is there until it is started, and whoever connects
    before waits that long."""

    def __init__(self, engine: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="mlc-warm-")
        self.place = str(Path(self._folder.name) / "ask")
        self._engine = engine
        self.listening = socket.socket(socket.AF_UNIX)
        self.listening.bind(self.place)
        self.listening.listen(BACKLOG)
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def start(self, **variables: str) -> None:
        """Start its process, with further variables in its environment."""
        descriptor = self.listening.fileno()
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.warm_server"),
                *("--listen", str(descriptor), "--engine", self._engine),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            env=child_environment({"PYTHONPATH": str(ROOT), **WITHOUT_THREADS, **variables}),
            pass_fds=[descriptor],
        )
        self.listening.close()

    def close(self) -> None:
        self.listening.close()
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            self._process.wait()
        self._folder.cleanup()


def threads_of_each(workers: int) -> str:
    """How many threads each of so many workers may compute with, as OMP_NUM_THREADS says it."""
    return str(max(1, (os.cpu_count() or 1) // workers))


def listen(**variables: str) -> None:
    """Have all servers listen, and whatever this process starts from here on find them.

    Args:
        variables: more of their environment.
    """
    waiting = selectors.DefaultSelector()
    for engine in SERVED:
        server = WarmServer(engine)
        os.environ[f"{WARM_PLACE}{engine}"] = server.place
        waiting.register(server.listening, selectors.EVENT_READ, data=server)

    def start_wanted() -> None:
        while waiting.get_map():
            for key, _ in waiting.select():
                waiting.unregister(key.fileobj)
                key.data.start(**variables)

    threading.Thread(target=start_wanted, daemon=True, name="warm servers").start()
