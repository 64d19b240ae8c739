"""How much may come in at once."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from multi_llm_comparator.server.api.errors import ApiError, error_response
from multi_llm_comparator.server.api.methods import as_json
from multi_llm_comparator.server.api.request_ids import request_id_of
from multi_llm_comparator.server.callers import SHARE_OF, caller_of

MAX_BODY_BYTES = 8 * 2**20
# Requests that are answered at the same time. Beyond it a client is told to come back.
MAX_AT_ONCE = 512


class Crowd:
    """ASGI middleware: at most ``most`` requests that want text are in work at the same time, of keys of lower priority
    fewer, and no body is read beyond ``most_bytes`` or of another type than JSON.
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
            await error_response(scope["path"], error, request_id_of(scope))(scope, receive, send)
            return
        try:
            headers = as_json(scope["headers"])
        except HTTPException as exc:
            error = ApiError("a body is JSON here: send it as 'Content-Type: application/json'", exc.status_code)
            await error_response(scope["path"], error, request_id_of(scope))(scope, receive, send)
            return
        self._here += 1
        try:
            await self._inner({**scope, "headers": headers}, self._bounded(receive), send)
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
