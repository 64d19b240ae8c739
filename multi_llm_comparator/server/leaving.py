"""Work for a client that may leave: it ends when the connection does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from multi_llm_comparator.core.together import end_tasks

T = TypeVar("T")
# A client that takes nothing of a stream for so long holds a place that others need, and what was written for it.
UNREAD_S = 120.0


class ClientLeftError(Exception):
    """The client closed the connection before its answer was whole. Nobody is there to be told."""


async def unless_left(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; the body of the request must have been read.

    Raises:
        ClientLeftError: the client went away meanwhile, and ``work`` was cancelled.
    """
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeftError
        return task.result()
    finally:
        await end_tasks(task, left)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Streamed(Response):
    """A response whose body comes in ``chunks``. However it ends, the generator is closed at once and ``ended`` is
    called: of a generator that never began, nothing runs when it is closed. A client that does not read has left."""

    def __init__(
        self, chunks: AsyncGenerator[bytes, None], media_type: str, ended: Callable[[], None] = lambda: None
    ) -> None:
        self.status_code, self.background, self.media_type = 200, None, media_type
        self._chunks, self._ended = chunks, ended
        # Proxies (nginx among them) would otherwise collect what should come word by word.
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with contextlib.aclosing(self._chunks):
                with contextlib.suppress(ClientLeftError):
                    await unless_left(receive, self._send(send))
        finally:
            self._ended()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._chunks:
            try:
                async with asyncio.timeout(UNREAD_S):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            except TimeoutError as exc:
                raise ClientLeftError from exc
        await send({"type": "http.response.body", "body": b"", "more_body": False})
