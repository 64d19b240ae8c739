"""Child processes of the app: how one is started, and what is needed of one however it was."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from multi_llm_comparator.core import clock
from multi_llm_comparator.services.wire import TOKEN_VARIABLE

START_TIMEOUT_S = 60.0
LOG_LINES_KEPT = 40


class Child(Protocol):
    """A process of ours, as :class:`asyncio.subprocess.Process` has it; ``returncode`` is ``-signal`` if killed."""

    @property
    def stdout(self) -> asyncio.StreamReader | None: ...

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


# Has a model process connect to a port of this machine and show a token.
Spawn = Callable[[int, str], Awaitable[Child]]


async def start_module(
    module: str, arguments: Sequence[str], *, environment: Mapping[str, str] | None = None, keep: Sequence[int] = ()
) -> asyncio.subprocess.Process:
    """Start ``python -m module`` with what it prints in one pipe; it also keeps the file descriptors ``keep``.

    Raises:
        OSError: the system refuses.
    """
    # The package may be used from a checkout that is not installed, and from any working directory.
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *("--parent", str(os.getpid())),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **clock.child_environment(), **(environment or {}), "PYTHONPATH": path},
        pass_fds=keep,
    )


async def start_model_process(port: int, token: str) -> Child:
    """Start a model process on its own, which connects to ``port`` and shows ``token``."""
    return await start_module(
        "multi_llm_comparator.services.worker", ["--port", str(port)], environment={TOKEN_VARIABLE: token}
    )


async def collect_lines(stream: asyncio.StreamReader, lines: deque[str]) -> None:
    """Keep the last lines of what a process prints, until it ends."""
    # Read in blocks: a library that prints without line breaks must not fill the memory.
    while block := await stream.read(4096):
        lines.extend(line for line in block.decode("utf-8", "replace").splitlines() if line.strip())
