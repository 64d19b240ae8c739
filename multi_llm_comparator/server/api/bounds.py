"""How much may come in at once: requests, their bodies together, and what one body is made of."""

from __future__ import annotations

import asyncio
from collections import Counter

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from multi_llm_comparator.server.api.errors import ApiError, error_response, words_for
from multi_llm_comparator.server.api.methods import as_json
from multi_llm_comparator.server.api.request_ids import request_id_of
from multi_llm_comparator.server.callers import SHARE_OF, caller_of
from multi_llm_comparator.server.guard import HEALTH

MAX_BODY_BYTES = 8 * 2**20
# Of all requests in work together: a body is held as long as its answer takes, and read it takes several times as much.
MAX_HELD_BYTES = 128 * 2**20
# Requests that are answered at the same time. Beyond it a client is told to come back.
MAX_AT_ONCE = 512
# A body that comes more slowly holds a place that others need.
BODY_S = 60
# Lists and objects within a body: each is a hundred bytes for three, and is looked at one by one.
MAX_CONTAINERS = 50_000
# What stands in them. While it is read nothing else is answered; OpenAI takes no more ids of tokens at once either.
MAX_VALUES = 300_000
Headers = list[tuple[bytes, bytes]]


class Crowd:
    """ASGI middleware: at most ``most`` requests that want text, and as many that only look, are in work at the same
    time, of keys of lower priority fewer. A body is read here, whole: nothing behind this sees one that is larger than
    ``most_bytes``, of another type than JSON, or made of too many parts.

    Args:
        most_held_bytes: of the bodies of all requests in work.
        body_s: within which a body must have come.
    """

    def __init__(
        self,
        inner: ASGIApp,
        most: int = MAX_AT_ONCE,
        most_bytes: int = MAX_BODY_BYTES,
        most_held_bytes: int = MAX_HELD_BYTES,
        body_s: float = BODY_S,
    ) -> None:
        self._inner, self._most, self._most_bytes = inner, most, most_bytes
        self._most_held_bytes, self._body_s = most_held_bytes, body_s
        self._here: Counter[bool] = Counter()
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == HEALTH:
            await self._inner(scope, receive, send)
            return
        # Who only looks takes no place of who asks.
        asks = scope["method"] == "POST"
        share = SHARE_OF[caller_of(scope).limits.priority]
        if self._here[asks] >= self._most * share:
            said = f"{self._here[asks]} requests are in work, and no more are taken at once; try again in a moment"
            await _refuse(ApiError(said, 429, code="rate_limit_exceeded"), scope, receive, send)
            return
        self._here[asks] += 1
        try:
            await (self._with_body(scope, receive, send, share) if asks else self._inner(scope, receive, send))
        finally:
            self._here[asks] -= 1

    async def _with_body(self, scope: Scope, receive: Receive, send: Send, share: float) -> None:
        read = _Read(self._most_bytes)
        try:
            try:
                headers, body = await self._taken(read, scope, receive, share)
            except ApiError as exc:
                await _refuse(exc, scope, receive, send)
                return
            if not read.is_left:
                await self._inner({**scope, "headers": headers}, _told(body, receive), send)
        finally:
            self._held_bytes -= read.size_bytes

    async def _taken(self, read: _Read, scope: Scope, receive: Receive, share: float) -> tuple[Headers, bytes]:
        """The headers and the body of a request.

        Raises:
            ApiError: of another type, too large, too many parts, too slow, or no room for it now.
        """
        try:
            headers = as_json(scope["headers"])
        except HTTPException as exc:
            said = "a body is JSON here: send it as 'Content-Type: application/json'"
            raise ApiError(said, exc.status_code) from exc
        try:
            async with asyncio.timeout(self._body_s):
                while not read.is_over:
                    more = await read.more(receive)
                    self._held_bytes += more
                    if self._held_bytes > self._most_held_bytes * share:
                        said = "requests in work hold as much as is held at once; try again in a moment"
                        raise ApiError(said, 429, code="rate_limit_exceeded")
        except TimeoutError as exc:
            raise ApiError(f"the body did not come within {self._body_s:g} s", 408) from exc
        return headers, read.body()


class _Read:
    """What has come of one body. ``is_left``: its client went away."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._read = bytearray()
        self.size_bytes = 0
        self.is_over = self.is_left = False

    async def more(self, receive: Receive) -> int:
        """Take the next piece; its size in bytes.

        Raises:
            ApiError: 413, the body is too large.
        """
        message = await receive()
        piece: bytes = message.get("body", b"")
        self.is_left = message["type"] == "http.disconnect"
        self.is_over = not message.get("more_body", False)
        self.size_bytes += len(piece)
        if self.size_bytes > self._most_bytes:
            # It was not kept, and is not given back.
            self.size_bytes -= len(piece)
            raise ApiError(words_for(413), 413)
        self._read += piece
        return len(piece)

    def body(self) -> bytes:
        """Raises ApiError: 413, it is made of too many parts."""
        body = bytes(self._read)
        self._read.clear()
        looks_large = body.count(b"[") + body.count(b"{") > MAX_CONTAINERS or body.count(b",") > MAX_VALUES
        containers, values = parts_of(body) if looks_large else (0, 0)
        if containers > MAX_CONTAINERS:
            raise ApiError(f"the body is made of more than {MAX_CONTAINERS:,} lists and objects; send fewer", 413)
        if values > MAX_VALUES:
            raise ApiError(f"the body holds more than {MAX_VALUES:,} values; send fewer at once", 413)
        return body


def parts_of(body: bytes) -> tuple[int, int]:
    """How many lists and objects a JSON text has, and how many commas: what only looks so, within its strings, does not
    count. Where there are more strings than both bounds allow, half of them stand for the values."""
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"")
    # A list or object has a value more than commas, and an object's value has a name.
    if (strings := bare.count(b'"') // 2) > 2 * (MAX_VALUES + MAX_CONTAINERS):
        return 0, strings // 2
    bare = b"".join(bare.split(b'"')[::2])
    return bare.count(b"[") + bare.count(b"{"), bare.count(b",")


def _told(body: bytes, receive: Receive) -> Receive:
    """The body as one message; then whatever comes of the client."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def told() -> Message:
        return messages.pop() if messages else await receive()

    return told


async def _refuse(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    await error_response(scope["path"], error, request_id_of(scope))(scope, receive, send)
