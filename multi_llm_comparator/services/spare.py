"""One spare model process that has already imported torch, so that a first PyTorch answer need not wait for that."""

from __future__ import annotations

import asyncio
import contextlib

from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.services.model_process import ModelProcess

PRELOADED_ENGINE = "pytorch"


class Spare:
    """Keeps at most one process ready; :meth:`refill` is called when the machine has nothing better to do."""

    def __init__(self, *, enabled: bool) -> None:
        self._enabled = enabled
        self._filling: asyncio.Task[ModelProcess] | None = None

    def refill(self) -> None:
        """Start a process that imports torch, unless one is there."""
        if self._enabled and self._filling is None:
            self._filling = asyncio.create_task(self._start())

    async def _start(self) -> ModelProcess:
        process = await ModelProcess.start()
        process.preload(PRELOADED_ENGINE)
        return process

    async def take(self, engine: str) -> ModelProcess:
        """A process for this engine: the spare one if it fits and lives, else a new one."""
        if engine == PRELOADED_ENGINE and self._filling is not None:
            filling, self._filling = self._filling, None
            with contextlib.suppress(ModelLoadError):
                process = await filling
                if process.is_alive:
                    return process
                await process.close()
        return await ModelProcess.start()

    async def aclose(self) -> None:
        self._enabled = False
        if self._filling is not None:
            filling, self._filling = self._filling, None
            filling.cancel()
            with contextlib.suppress(ModelLoadError, asyncio.CancelledError):
                await (await filling).close()
