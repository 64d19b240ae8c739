"""A child process of ours that is asked by a line of JSON and answers with lines of JSON.

Its module imports :mod:`services.lines_to_app` and answers there. Libraries that the app must not load, and files of
strangers, are read in such processes: they can be ended at any moment, and are, where they take too much.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from multi_llm_comparator.core.exceptions import error_from_name
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.services.memory_watch import WATCH_EVERY_S, own_bytes


class AskedProcess:
    """One such process. Its coroutines belong to one event loop; who starts it ends it.

    ``took_bytes`` is the RAM that it had taken when it was ended for that, else None.
    """

    def __init__(self, process: asyncio.subprocess.Process, *, leads_group: bool) -> None:
        self._process, self._leads_group = process, leads_group
        self.took_bytes: int | None = None

    @classmethod
    async def start(
        cls,
        module: str,
        *,
        max_line_bytes: int,
        environment: Mapping[str, str] | None = None,
        leads_group: bool = False,
        umask: int = -1,
        is_quiet: bool = False,
    ) -> AskedProcess:
        """Start ``python -m module``.

        Args:
            module: by its whole name.
            max_line_bytes: of an answer.
            environment: of :func:`child_environment` if None.
            leads_group: it starts processes of its own, which are ended with it.
            umask: of the files that it makes; -1 is this process's.
            is_quiet: what its libraries print is seen nowhere.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", module),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL if is_quiet else None,
            limit=max_line_bytes,
            env=child_environment() if environment is None else environment,
            start_new_session=leads_group,
            umask=umask,
        )
        return cls(process, leads_group=leads_group)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def ask(
        self,
        request: Mapping[str, Any],
        *,
        data: bytes | None = None,
        max_bytes: int | None = None,
        on_progress: Callable[[dict[str, Any]], None] = lambda told: None,
    ) -> dict[str, Any] | None:
        """What comes of a request; None where the process has ended without a word.

        Args:
            request: what is asked.
            data: sent behind the request; then nothing more can be asked.
            max_bytes: the RAM that it may take meanwhile, or it is ended.
            on_progress: given whatever it tells before.

        Raises:
            MultiLLMError: it refuses.
            ValueError: it said a line that is too long.
        """
        assert self._process.stdout is not None
        watch = None if max_bytes is None else asyncio.create_task(self._end_beyond(max_bytes))
        try:
            await self._send(request, data)
            while line := await self._process.stdout.readline():
                told: dict[str, Any] = json.loads(line)
                match told.pop("kind"):
                    case "progress":
                        on_progress(told)
                    case "result":
                        return told
                    case _:
                        raise error_from_name(told["type"], told["message"])
            return None
        finally:
            if watch is not None:
                watch.cancel()

    async def _send(self, request: Mapping[str, Any], data: bytes | None) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(ConnectionError):
            stdin.write(json.dumps({**request, "parent": os.getpid()}).encode() + b"\n")
            if data is not None:
                stdin.write(data)
            await stdin.drain()
            if data is not None:
                stdin.close()

    async def _end_beyond(self, max_bytes: int) -> None:
        while (used_bytes := await asyncio.to_thread(own_bytes, self._process.pid)) <= max_bytes:
            await asyncio.sleep(WATCH_EVERY_S)
        self.took_bytes = used_bytes
        self.kill()

    def kill(self) -> None:
        """End it at once, and what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if self._leads_group and hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            elif self.is_running:
                self._process.kill()

    async def end(self, *, within_s: float = 0.0) -> int:
        """End it, and wait for that; its exit code. With ``within_s`` it is told first, and may clean up so long."""
        return await asyncio.shield(self._end(within_s))

    async def _end(self, within_s: float) -> int:
        if within_s and self.is_running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), within_s)
        self.kill()
        return await self._process.wait()

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return await self._process.wait()
