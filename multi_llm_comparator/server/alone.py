"""The API with models of its own, opened when the server starts and closed when it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.garbage import pass_over_what_is_loaded
from multi_llm_comparator.server.api.application import make_api
from multi_llm_comparator.server.serving import Served, opened
from multi_llm_comparator.tracking.api_keys import ApiKeys


async def _is_running() -> PlainTextResponse:
    return PlainTextResponse("Multi-LLM Comparator is running")


class Alone:
    """An ASGI application.

    Args:
        default_model: answers requests that name none.
        n_ctx: tokens of context of local models.
        greeting: printed once requests are answered.
    """

    def __init__(self, *, default_model: str = "", n_ctx: int = ModelConfig.n_ctx, greeting: str = "") -> None:
        self._default_model, self._n_ctx, self._greeting = default_model, n_ctx, greeting
        self._served: Served | None = None
        self._api = make_api(self._get, lifespan=self._lifespan)
        # Beside pages this is theirs. Ollama's command asks for it first, to see whether anybody is there.
        self._api.add_api_route("/", _is_running, include_in_schema=False)

    def _get(self) -> Served:
        assert self._served is not None, "the lifespan has begun before the first request"
        return self._served

    def keys(self) -> ApiKeys | None:
        """The stored keys; None before the start."""
        store = self._served.store if self._served is not None else None
        return store.api_keys if store is not None else None

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        async with opened(default_model=self._default_model, n_ctx=self._n_ctx) as self._served:
            pass_over_what_is_loaded()
            print(self._greeting, flush=True)
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._api(scope, receive, send)
