"""A name for each request, by which a client can tell which one it means: OpenAI's header ``x-request-id``, Anthropic's
``request-id``, and the field of its errors."""

from __future__ import annotations

import re
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KEY = "mlc.request_id"
_SENT = re.compile(r"[A-Za-z0-9._:/-]{1,128}", re.ASCII)


def request_id_of(scope: Scope) -> str:
    """The name of a request; empty where it has none yet."""
    return str(scope.get(_KEY, ""))


class NamedRequests:
    """ASGI middleware: every answer carries its request's name, the client's own where it sent one as
    ``x-request-id``."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        name = sent if _SENT.fullmatch(sent) else f"req_{uuid.uuid4().hex}"
        # In this very scope: the audit, further out, writes it down.
        scope[_KEY] = name

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-request-id"] = headers["request-id"] = name
            await send(message)

        await self._inner(scope, receive, named)
