"""How much may come in at once."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from multi_llm_comparator.server.api.errors import ApiError, error_response
from multi_llm_comparator.server.callers import SHARE_OF, caller_of

MAX_BODY_BYTES = 8 * 2**20
# Requests that are answered at the same time. Beyond it a client is told to come back.
MAX_AT_ONCE = 512
_JSON = b"application/json"


class Crowd:
    """ASGI middleware: at most ``most`` requests that want text are in work at the same time, of keys of lower priority
    fewer, and no body is read beyond ``most_bytes``.

    A body without a type of its own, as ``curl -d`` sends it and Ollama's documentation shows it, is taken for JSON:
    what a foreign page could send so has been refused for its origin by then.
    """

    def __init__(self, inner: ASGIApp, most: int = MAX_AT_ONCE, most_bytes: int = MAX_BODY_BYTES) -> None:
        self._inner, self._most, self._most_bytes = inner, most, most_bytes
        self._here = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._inner(scope, receive, send)
            return
        if self._here >= self._most * SHARE_OF[caller_of(scope).limits.priority]:
            said = f"{self._here} requests are being answered, and no more are taken at once; try again in a moment"
            error = ApiError(said, 429, code="rate_limit_exceeded")
            await error_response(scope["path"], error)(scope, receive, send)
            return
        self._here += 1
        try:
            await self._inner({**scope, "headers": _as_json(scope["headers"])}, self._bounded(receive), send)
        finally:
            self._here -= 1

    def _bounded(self, receive: Receive) -> Receive:
        read = 0

        async def bounded() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most_bytes:
                # The framework lets it pass to where errors get their form.
                raise HTTPException(413)
            return message

        return bounded


def _as_json(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    untyped = (b"", b"application/x-www-form-urlencoded")
    kept = [(name, value) for name, value in headers if name != b"content-type" or value not in untyped]
    return kept if any(name == b"content-type" for name, _ in kept) else [*kept, (b"content-type", _JSON)]
