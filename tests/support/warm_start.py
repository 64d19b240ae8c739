"""Model processes for tests that are forked from one which has imported already: what a test wants is seldom the start.

They are real ones in all else: a process each, with the environment, the folder and the connection that
``start_model_process`` would give it. Where the start itself is tried, or what memory a process has of its own, tests
are marked ``cold``.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.inferencers.registry import PRELOADED_ENGINE
from multi_llm_comparator.services import model_process, spare
from multi_llm_comparator.services.child_process import START_TIMEOUT_S, Child, child_environment
from multi_llm_comparator.services.model_process import ModelProcess
from tests.support.warm_launcher import LENGTH_BYTES
from tests.support.warm_places import LIGHT_ENGINE, WARM_PLACE, listen

TORCH_ENGINES = (PRELOADED_ENGINE, "encoder")


class WarmChild:
    """A model process that the server has forked; what :class:`ModelProcess` needs of a child."""

    def __init__(
        self, pid: int, stdout: asyncio.StreamReader, told: asyncio.StreamReader, telling: asyncio.StreamWriter
    ) -> None:
        self.pid = pid
        self.stdout: asyncio.StreamReader | None = stdout
        self._ended = asyncio.ensure_future(_exit_code(told, telling))
        self._process: psutil.Process | None = None
        with contextlib.suppress(psutil.NoSuchProcess):
            # It knows when the process began, so that no other one is taken for it once its number is free again.
            self._process = psutil.Process(pid)

    @property
    def returncode(self) -> int | None:
        return self._ended.result() if self._ended.done() else None

    def kill(self) -> None:
        if self._process is not None and not self._ended.done():
            with contextlib.suppress(psutil.NoSuchProcess):
                self._process.kill()

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)


async def _exit_code(told: asyncio.StreamReader, telling: asyncio.StreamWriter) -> int:
    with contextlib.closing(telling):
        line = await told.readline()
    # Without a word the server has ended, and the kernel has ended its forks with it.
    return int(json.loads(line)["code"]) if line else -signal.SIGKILL


class WarmCaller:
    """Asks the server that listens at ``place``."""

    def __init__(self, place: str) -> None:
        self.place = place

    async def spawn(self, port: int, token: str) -> Child:
        """Fork a model process that connects to ``port`` and shows ``token``. Raises OSError: the server has ended."""
        stdout = asyncio.StreamReader()
        read_end, write_end = os.pipe()
        pipe = os.fdopen(read_end, "rb", 0)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdout), pipe)
        wanted = {"port": port, "token": token, "folder": str(Path.cwd()), "environment": child_environment()}
        message = json.dumps(wanted).encode()
        caller = socket.socket(socket.AF_UNIX)
        try:
            caller.connect(self.place)
            socket.send_fds(caller, [len(message).to_bytes(LENGTH_BYTES, "big")], [write_end])
            caller.sendall(message)
        except OSError:
            caller.close()
            raise
        finally:
            os.close(write_end)
        told, telling = await asyncio.open_unix_connection(sock=caller)
        try:
            line = await asyncio.wait_for(told.readline(), START_TIMEOUT_S)
        except BaseException:
            # Whoever wanted it does not any more.
            telling.close()
            raise
        if not line:
            telling.close()
            raise OSError("the process that model processes of tests are forked from has ended")
        return WarmChild(int(json.loads(line)["pid"]), stdout, told, telling)


@functools.cache
def warm_server(engine: str) -> WarmCaller:
    """The server that has imported what this engine needs; it starts when it is first asked."""
    name = f"{WARM_PLACE}{engine}"
    if name not in os.environ:
        listen()
    return WarmCaller(os.environ[name])


async def start_warm(port: int, token: str) -> Child:
    """What ``start_model_process`` does, sooner."""
    return await warm_server(LIGHT_ENGINE).spawn(port, token)


async def take_warm(waiting: spare.Spare, engine: str, *, safe: bool) -> ModelProcess:
    """What ``Spare.take`` does, from the one template of all tests instead of one for each engine."""
    if engine in TORCH_ENGINES:
        return await ModelProcess.start(warm_server(PRELOADED_ENGINE).spawn)
    return await ModelProcess.start()


@functools.cache
def can_start_warm() -> bool:
    """Whether model processes can be forked here, as the app's template asks itself."""
    return spare.can_fork()


def start_warm_processes(patched: pytest.MonkeyPatch) -> None:
    """From here on, start model processes from the servers."""
    patched.setattr(model_process, "start_model_process", start_warm)
    patched.setattr(spare.Spare, "take", take_warm)
    # What nobody takes need not get ready: on a busy machine each engine of a test would come to it.
    patched.setattr(spare.Spare, "rest", lambda waiting: None)
