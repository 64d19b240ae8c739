"""Looking at, cleaning and previewing data from the app, which loads neither the files nor the tokenizers itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.services.asked_process import AskedProcess
from multi_llm_comparator.services.memory_watch import used_too_much, work_limit_bytes
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
        self._warm: AskedProcess | None = None
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
        child = await _spawn()
        try:
            return await _ask(child, request, self._limit_bytes(), on_progress)
        finally:
            await child.end()

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
                self._warm = await _spawn()
            child = self._warm
            try:
                answer = await _ask(child, request, self._limit_bytes())
            except asyncio.CancelledError:
                # Its answer would come to whoever asks next.
                self._warm = None
                await child.end()
                raise
            finally:
                self._idle = asyncio.get_running_loop().call_later(IDLE_S, child.kill)
            return answer


async def _ask(
    child: AskedProcess,
    request: Mapping[str, Any],
    max_bytes: int,
    on_progress: OnProgress = lambda phase, rows, total: None,
) -> dict[str, Any]:
    """Ask a child one thing.

    Raises:
        DocumentError: it took more memory than it may, or ended unexpectedly.
    """
    found = await child.ask(
        request, max_bytes=max_bytes, on_progress=lambda told: on_progress(told["phase"], told["rows"], told["total"])
    )
    if found is not None:
        return found
    if child.took_bytes is not None:
        said = used_too_much("reading the data", child.took_bytes, max_bytes, "it was at work")
        raise DocumentError(f"{said}; split the data, or raise max_memory_gb")
    raise DocumentError("the process that reads data ended unexpectedly; try again, the log may say why")


async def _spawn() -> AskedProcess:
    return await AskedProcess.start("multi_llm_comparator.training.data.data_child", max_line_bytes=MAX_LINE_BYTES)
