"""The API as an ASGI application, and beside others."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send

from multi_llm_comparator import __version__
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.server.api import (
    completions,
    cooperation_task,
    embeddings,
    events,
    memory,
    messages,
    models,
    ollama,
    queries,
    responses,
    runs,
    services,
    shared,
    tokenizers,
    upkeep,
)
from multi_llm_comparator.server.api.bounds import BODY_S, MAX_AT_ONCE, MAX_BODY_BYTES, MAX_HELD_BYTES, Crowd
from multi_llm_comparator.server.api.errors import (
    ApiError,
    error_response,
    field_error,
    tell_api_error,
    tell_http_error,
    tell_our_error,
)
from multi_llm_comparator.server.api.forms import REFUSED
from multi_llm_comparator.server.api.methods import HeadAsGet
from multi_llm_comparator.server.api.request_ids import NamedRequests, request_id_of
from multi_llm_comparator.server.leaving import ClientLeftError
from multi_llm_comparator.server.serving import Served

# nginx's number for it; nobody reads it.
CLIENT_LEFT = 499
# Paths of pages that the API has too.
PAGES = ("/models",)


def make_api(
    served: Callable[[], Served],
    *,
    lifespan: Lifespan[FastAPI] | None = None,
    most_at_once: int = MAX_AT_ONCE,
    most_bytes: int = MAX_BODY_BYTES,
    most_held_bytes: int = MAX_HELD_BYTES,
    body_s: float = BODY_S,
) -> FastAPI:
    """The API over what ``served`` returns, which is asked at each request.

    Args:
        lifespan: what is opened before the first request and closed after the last.
        most_at_once: requests in work at the same time.
        most_bytes: of one body.
        most_held_bytes: of the bodies of all requests in work.
        body_s: within which a body must have come.
    """
    crowd = Middleware(Crowd, most=most_at_once, most_bytes=most_bytes, most_held_bytes=most_held_bytes, body_s=body_s)
    api = FastAPI(
        title="Multi-LLM Comparator",
        version=__version__,
        lifespan=lifespan,
        # Their pages load scripts from elsewhere, which the guard forbids.
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(NamedRequests), Middleware(HeadAsGet), crowd],
    )
    api.state.served = served
    api.state.shared_pages = shared.SharedPages()
    families = (completions, responses, messages, models, tokenizers, embeddings)
    for family in (module.router for module in families):
        api.include_router(family, prefix="/v1")
        api.include_router(family, include_in_schema=False)
    api.include_router(ollama.router)
    api.include_router(embeddings.ollama_router)
    for module in (queries, services, cooperation_task, events, memory, runs, shared, upkeep):
        api.include_router(module.router)
    api.add_exception_handler(ApiError, tell_api_error)
    api.add_exception_handler(MultiLLMError, tell_our_error)
    api.add_exception_handler(HTTPException, tell_http_error)
    api.add_exception_handler(RequestValidationError, _tell_field)
    api.add_exception_handler(ClientLeftError, _tell_nobody)
    api.add_exception_handler(Exception, _tell_mistake)
    return api


async def _tell_field(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_response(request.url.path, field_error(error.errors(), REFUSED), request_id_of(request.scope))


async def _tell_nobody(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


async def _tell_mistake(request: Request, error: Exception) -> Response:
    """The edge of the process: the server logs it with its traceback."""
    said = f"the server itself failed ({type(error).__name__}); its log has the details"
    error_told = ApiError(said, 500, code="internal_error")
    return error_response(request.url.path, error_told, request_id_of(request.scope))


class Beside:
    """ASGI middleware: what the API has a path for goes to it, the rest to ``inner``. Where a page has the same path, a
    browser gets the page."""

    def __init__(self, inner: ASGIApp, api: FastAPI) -> None:
        self._inner, self._api = inner, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_for_api = scope["type"] == "http" and has_path(self._api, scope) and not _wants_page(scope)
        await (self._api if is_for_api else self._inner)(scope, receive, send)


def has_path(api: FastAPI, scope: Scope) -> bool:
    path = scope["path"]
    return path.startswith("/v1/") or any(route.matches(scope)[0] is not Match.NONE for route in api.routes)


def _wants_page(scope: Scope) -> bool:
    return scope["path"] in PAGES and b"text/html" in dict(scope["headers"]).get(b"accept", b"")
