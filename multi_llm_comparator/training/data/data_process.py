"""Looking at, cleaning and previewing data from the app, which loads neither the files nor the tokenizers itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import DocumentError, error_from_name
from multi_llm_comparator.services.child_process import child_environment
from multi_llm_comparator.services.memory_watch import WATCH_EVERY_S, own_bytes, used_too_much, work_limit_bytes
from multi_llm_comparator.training.data.spec import DataSpec

MAX_LINE_BYTES = 64 * 2**20
# A process that nobody asks anything ends: it holds some hundred megabytes.
IDLE_S = 300.0

OnProgress = Callable[[str, int, int | None], None]
Fetch = Callable[[DataSpec], Awaitable[DataSpec]]


class DataProcess:
    """Asks child processes about data. Its coroutines belong to one event loop.

    One child stays, with the tokenizer that was used last, for what is asked again and again; each cleaning has one of
    its own. Cancelling a call ends its child. What takes more memory than all models together may is ended.

    Args:
        limit_bytes: asked for the RAM that a child may take.
        fetch: brings data sets that are on the Hub, before a child looks at them: children have no keys.
    """

    def __init__(self, *, limit_bytes: Callable[[], int] = work_limit_bytes, fetch: Fetch | None = None) -> None:
        self._limit_bytes, self._fetch = limit_bytes, fetch
        self._warm: _Child | None = None
        self._turn = asyncio.Lock()
        self._idle: asyncio.TimerHandle | None = None

    async def inspect(self, spec: DataSpec) -> dict[str, Any]:
        """What a data set is: ``detection``, ``notes``, ``size_bytes``, ``about_rows``, the ``sample`` of its first
        rows as they are, and what the first ``examples`` become (or ``why`` they cannot be used).

        Raises:
            DocumentError: it cannot be read.
            DownloadError: it is on the Hub and cannot be had.
        """
        return await self._asked({"op": "inspect", "spec": await self._plain(spec)})

    async def preview(self, spec: DataSpec, index: int, model_path: str, max_tokens: int) -> dict[str, Any]:
        """The tokens of an example, counted from 0, as training sees them: ``rows`` of ``[text, is learnt]``.

        Raises:
            DocumentError: the data cannot be read, or has no such example.
            ModelLoadError: the model's tokenizer cannot be read.
        """
        request = {"op": "preview", "index": index, "model_path": model_path, "max_tokens": max_tokens}
        return await self._asked({**request, "spec": await self._plain(spec)})

    async def clean(
        self,
        spec: DataSpec,
        folder: Path,
        *,
        model_path: str | None = None,
        max_tokens: int = 2048,
        on_progress: OnProgress = lambda phase, rows, total: None,
    ) -> dict[str, Any]:
        """Clean a data set into a folder; the report as :meth:`CleanReport.to_dict` has it.

        Raises:
            DocumentError: the data cannot be read, or nothing is left of it.
            ModelLoadError: the model's tokenizer cannot be read.
        """
        request: dict[str, Any] = {
            "op": "clean",
            "folder": str(folder),
            "model_path": model_path,
            "max_tokens": max_tokens,
        }
        request["spec"] = await self._plain(spec)
        child = await _Child.start()
        try:
            return await child.ask(request, self._limit_bytes(), on_progress)
        finally:
            await asyncio.shield(child.end())

    async def aclose(self) -> None:
        """End the child that stays."""
        if self._idle is not None:
            self._idle.cancel()
        warm, self._warm = self._warm, None
        if warm is not None:
            await warm.end()

    async def _plain(self, spec: DataSpec) -> dict[str, Any]:
        return (spec if self._fetch is None else await self._fetch(spec)).model_dump(mode="json")

    async def _asked(self, request: Mapping[str, Any]) -> dict[str, Any]:
        async with self._turn:
            if self._idle is not None:
                self._idle.cancel()
            if self._warm is None or not self._warm.is_running:
                self._warm = await _Child.start()
            child = self._warm
            try:
                answer = await child.ask(request, self._limit_bytes())
            except asyncio.CancelledError:
                # Its answer would come to whoever asks next.
                self._warm = None
                await asyncio.shield(child.end())
                raise
            finally:
                self._idle = asyncio.get_running_loop().call_later(IDLE_S, child.kill)
            return answer


class _Child:
    """One process of :mod:`training.data.data_child`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def start(cls) -> _Child:
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "multi_llm_comparator.training.data.data_child"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=MAX_LINE_BYTES,
                env=child_environment(),
            )
        )

    @property
    def is_running(self) -> bool:
        return self._process.returncode is None

    async def ask(
        self,
        request: Mapping[str, Any],
        max_bytes: int,
        on_progress: OnProgress = lambda phase, rows, total: None,
    ) -> dict[str, Any]:
        """Ask one thing.

        Raises:
            DocumentError: it took more memory than it may, or ended unexpectedly.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        watch = asyncio.create_task(self._too_large(max_bytes))
        watch.add_done_callback(lambda done: None if done.cancelled() else self.kill())
        try:
            with contextlib.suppress(ConnectionError):
                stdin.write(json.dumps({**request, "parent": os.getpid()}).encode() + b"\n")
                await stdin.drain()
            while line := await stdout.readline():
                message: dict[str, Any] = json.loads(line)
                match message.pop("kind"):
                    case "progress":
                        on_progress(message["phase"], message["rows"], message["total"])
                    case "result":
                        return message
                    case _:
                        raise error_from_name(message["type"], message["message"])
            if watch.done() and not watch.cancelled():
                said = used_too_much("reading the data", watch.result(), max_bytes, "it was at work")
                raise DocumentError(f"{said}; split the data, or raise max_memory_gb")
            raise DocumentError("the process that reads data ended unexpectedly; try again, the log may say why")
        finally:
            watch.cancel()

    async def _too_large(self, max_bytes: int) -> int:
        while (used_bytes := await asyncio.to_thread(own_bytes, self._process.pid)) <= max_bytes:
            await asyncio.sleep(WATCH_EVERY_S)
        return used_bytes

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        self.kill()
        await self._process.wait()
