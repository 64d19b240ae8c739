"""A run that is one coroutine beside its callers: how it begins, is ended early, and is looked at meanwhile."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.tracking.records import ACTIVE, RunState

SNAPSHOT_TIMEOUT_S = 15.0

S = TypeVar("S")


class TaskRun(LiveRun):
    """Everything of it is changed on the event loop that it was begun on.

    Its work ends as ``_ends_as`` when it is cancelled.
    """

    _task: asyncio.Task[None] | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _ends_as: RunState = "stopped"

    def launch(self, work: Coroutine[Any, Any, None]) -> None:
        """Do ``work`` beside the caller, on the running event loop."""
        self._loop, self._ends_as = asyncio.get_running_loop(), "stopped"
        self._task = asyncio.create_task(work)

    async def stop(self) -> None:
        await self._end("stopped")

    async def interrupt(self) -> None:
        await self._end("interrupted")

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    @abstractmethod
    async def never_began(self, state: RunState) -> None:
        """The work was cancelled before it began: the run is over, as ``state``."""

    async def _end(self, state: RunState) -> None:
        if self._task is None or self._task.done():
            return
        self._ends_as = state
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self.state in ACTIVE:
            await self.never_began(state)

    def taken(self, take: Callable[[], S]) -> S:
        """What ``take`` returns where nothing is changed meanwhile; called from any thread."""
        if self._task is None or self._task.done() or _running_loop() is self._loop:
            return take()

        async def there() -> S:
            return take()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(SNAPSHOT_TIMEOUT_S)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
