"""What HTTP asks of every path beside its own method (RFC 9110, 9.3 and 15.5.6)."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from multi_llm_comparator.server.leaving import ClientLeftError

JSON = b"application/json"
# What programs send that name no type: ``curl -d`` says the second, as Ollama's documentation shows it.
_UNTYPED = (b"", b"application/x-www-form-urlencoded")


class HeadAsGet:
    """ASGI middleware: HEAD is answered as GET is, without the body."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._inner(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            if message.get("more_body"):
                # Nobody waits for what a stream would still bring.
                raise ClientLeftError

        await self._inner({**scope, "method": "GET"}, receive, without_body)


def allowed(error: HTTPException) -> dict[str, str]:
    """The headers that say which methods a path takes, where that is what is wrong."""
    if error.status_code != 405:
        return {}
    named = {method.strip() for method in (error.headers or {}).get("Allow", "").split(",") if method.strip()}
    return {"Allow": ", ".join(sorted({*named, "OPTIONS", *(("HEAD",) if "GET" in named else ())}))}


def told_options(request: Request, error: HTTPException) -> Response | None:
    """The answer to OPTIONS on a path that there is; None to anything else."""
    if request.method != "OPTIONS" or error.status_code != 405:
        return None
    return Response(status_code=204, headers=allowed(error))


def as_json(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of a body that is taken for JSON, also where they name no type: what a foreign page could send so has
    been refused for its origin by then.

    Raises:
        HTTPException: 415, the body is of another type.
    """
    types = [value.partition(b";")[0].strip().lower() for name, value in headers if name == b"content-type"]
    if any(one not in _UNTYPED and one != JSON and not one.endswith(b"+json") for one in types):
        raise HTTPException(415)
    if any(one not in _UNTYPED for one in types):
        return headers
    return [*((name, value) for name, value in headers if name != b"content-type"), (b"content-type", JSON)]
