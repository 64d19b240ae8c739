"""Child processes of the app: how one is started, and what is needed of one however it was."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from multi_llm_comparator.core import clock
from multi_llm_comparator.services.wire import TOKEN_VARIABLE

START_TIMEOUT_S = 60.0
LOG_LINES_KEPT = 40
# Variables that hold what is secret: OPENAI_API_KEY, HF_TOKEN, PGPASSWORD, AWS_SECRET_ACCESS_KEY. In the
# plural, tokens are of text.
_SECRET_NAME = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|APIKEY|(?:^|_)(?:KEYS?|TOKEN|PAT|PWD|AUTH)\d*(?:_|$)", re.IGNORECASE
)
_NAMED_SO_BUT_HARMLESS = frozenset({"PWD", "OLDPWD"})
# The address of a proxy, a database or an index may hold a password: https://user:password@host
_ADDRESS_WITH_PASSWORD = re.compile(r"://[^/\s@]*:[^/\s@]*@")


def child_environment(
    changes: Mapping[str, str] | None = None, *, keep: Collection[str] = (), goes_online: bool = False
) -> dict[str, str]:
    """The environment of a child process that runs ``python -m`` a module of ours: this process's, without secrets.

    Models, their files and the libraries that read them are others' work, and none of them needs a key. Left out is
    what is named like a secret, except for ``keep``, and addresses with a password unless the child ``goes_online``.
    """
    # The package may be used from a checkout that is not installed, and from any working directory.
    source = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH"))))
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in keep or not (is_secret(name) or (not goes_online and _ADDRESS_WITH_PASSWORD.search(value)))
    }
    return {**kept, **clock.child_environment(), **(changes or {}), "PYTHONPATH": path}


def is_secret(name: str) -> bool:
    return name not in _NAMED_SO_BUT_HARMLESS and _SECRET_NAME.search(name) is not None


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
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *("--parent", str(os.getpid())),
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=child_environment(environment),
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
