"""From the gateway's event loop to the server's: several streams as one, bounded, ended when nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from typing import Generic, TypeVar

from multi_llm_comparator.core.exceptions import AnswerInterrupted

T = TypeVar("T")
# What one slow client may leave unread; the streams wait beyond it.
MAX_UNREAD = 512


class Relay(Generic[T]):
    """Runs ``sources`` on ``loop`` and hands what they yield, with the number of its source, to the loop that it was
    made on. Both may be the same loop.

    A token that wakes its reader costs a wake-up of another thread, so what has come meanwhile comes in one batch.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sources: Sequence[AsyncGenerator[T, None]]) -> None:
        self._loop, self._here = loop, asyncio.get_running_loop()
        self._unread: deque[tuple[int, T]] = deque()
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._is_over = False
        self._error: Exception | None = None
        self._work = asyncio.run_coroutine_threadsafe(self._run(sources), loop)

    async def _run(self, sources: Sequence[AsyncGenerator[T, None]]) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, source in enumerate(sources):
                    tasks.create_task(self._pump(number, source))
        except asyncio.CancelledError:
            self._error = AnswerInterrupted("the workbench ended while the answer was being written; ask again")
            raise
        except Exception as exc:
            # It is the reader's.
            self._error = exc
        finally:
            self._is_over = True
            self._wake()

    async def _pump(self, number: int, source: AsyncGenerator[T, None]) -> None:
        async with contextlib.aclosing(source) as items:
            async for item in items:
                self._unread.append((number, item))
                if len(self._unread) == 1:
                    self._wake()
                while len(self._unread) >= MAX_UNREAD:
                    self._room.clear()
                    # Else room that was made just now would be waited for.
                    if len(self._unread) >= MAX_UNREAD:
                        await self._room.wait()

    def _wake(self) -> None:
        # A server that has ended meanwhile has nobody who reads.
        with contextlib.suppress(RuntimeError):
            self._here.call_soon_threadsafe(self._arrived.set)

    async def batch(self) -> list[tuple[int, T]]:
        """What has come since the last call, at least one; nothing when all sources have ended.

        Raises:
            AnswerInterrupted: the loop of the sources ended before they did.
            ExceptionGroup: of whatever the sources raised.
        """
        while not self._unread:
            self._arrived.clear()
            # In this order: what comes last comes before the end.
            is_over = self._is_over
            if self._unread:
                break
            if is_over:
                if self._error is not None:
                    raise self._error
                return []
            await self._arrived.wait()
        found = [self._unread.popleft() for _ in range(len(self._unread))]
        if len(found) >= MAX_UNREAD // 2:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._room.set)
        return found

    def close(self) -> None:
        """End the sources; harmless when they have ended."""
        if not self._work.done():
            self._work.cancel()
