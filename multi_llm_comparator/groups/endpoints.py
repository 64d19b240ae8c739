"""Clients of remote models, made when first used and kept over reloads as long as their declaration stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from multi_llm_comparator.core.embeddings import EmbedResult
from multi_llm_comparator.core.events import Event
from multi_llm_comparator.core.exceptions import ConfigurationError, KeyRefusedError
from multi_llm_comparator.core.garbage import pass_over_what_is_loaded
from multi_llm_comparator.core.keys import resolve_key
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult
from multi_llm_comparator.groups.config import GroupsConfig, ModelDeclaration

if TYPE_CHECKING:
    from multi_llm_comparator.inferencers.openai_api import OpenAIEndpoint


class _Client:
    def __init__(self, declaration: ModelDeclaration, endpoint: OpenAIEndpoint) -> None:
        self.declaration, self.endpoint = declaration, endpoint
        self.active = 0
        self.is_retired = False


class Endpoints:
    """One client for each remote model. One that a reload replaced is closed when its last request has ended."""

    def __init__(self) -> None:
        self._clients: dict[str, _Client] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._is_imported = False

    async def stream(
        self, model: str, declaration: ModelDeclaration, request: GenerationRequest
    ) -> AsyncGenerator[Event, None]:
        """Answer with ``model``; raises what :meth:`OpenAIEndpoint.stream` does."""
        async with self._lent(model, declaration) as endpoint, aclosing(endpoint.stream(request)) as events:
            async for event in events:
                yield event

    async def score(self, model: str, declaration: ModelDeclaration, request: ScoreRequest) -> ScoreResult:
        """Score with ``model``; raises what :meth:`OpenAIEndpoint.score` does."""
        async with self._lent(model, declaration) as endpoint:
            return await endpoint.score(request)

    async def embed(self, model: str, declaration: ModelDeclaration, texts: Sequence[str]) -> EmbedResult:
        """Vectors of texts by an endpoint's model; raises what :meth:`stream` would."""
        async with self._lent(model, declaration) as endpoint:
            return await endpoint.embed(texts)

    async def check(self, model: str, declaration: ModelDeclaration) -> None:
        async with self._lent(model, declaration) as endpoint:
            await endpoint.check()

    @asynccontextmanager
    async def _lent(self, model: str, declaration: ModelDeclaration) -> AsyncGenerator[OpenAIEndpoint, None]:
        """A model's client for one request: it stays open until that has ended."""
        await self._import()
        client = self._client(model, declaration)
        client.active += 1
        try:
            yield client.endpoint
        finally:
            client.active -= 1
            self._close_if_done(client)

    async def _import(self) -> None:
        """Load what all clients need in a thread: it takes a second, for which every other answer would stand still;
        and whoever has local models only need not wait for it at all."""
        if not self._is_imported:
            await asyncio.to_thread(_load)
            self._is_imported = True

    def configure(self, config: GroupsConfig) -> None:
        """Retire clients whose declaration changed or is gone."""
        for model, client in list(self._clients.items()):
            if config.models.get(model) != client.declaration:
                self._retire(self._clients.pop(model))

    def key_changed(self, reference: str) -> None:
        """Retire clients that were opened with an earlier value of a key, named as in the declarations."""
        for model, client in list(self._clients.items()):
            if client.declaration.key == reference:
                self._retire(self._clients.pop(model))

    def _client(self, model: str, declaration: ModelDeclaration) -> _Client:
        client = self._clients.get(model)
        if client is None or client.declaration != declaration:
            if client is not None:
                self._retire(client)
            client = self._clients[model] = _Client(declaration, _open(model, declaration))
        return client

    def _retire(self, client: _Client) -> None:
        client.is_retired = True
        self._close_if_done(client)

    def _close_if_done(self, client: _Client) -> None:
        if client.is_retired and client.active == 0:
            task = asyncio.ensure_future(client.endpoint.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def aclose(self) -> None:
        clients, self._clients = list(self._clients.values()), {}
        await asyncio.gather(*(c.endpoint.aclose() for c in clients), *self._closing, return_exceptions=True)


def _load() -> None:
    """The client library, the authorities whose certificates count, and the prices of known models."""
    from multi_llm_comparator.groups.pricing import load_prices
    from multi_llm_comparator.inferencers.openai_api import authorities

    authorities()
    load_prices()
    pass_over_what_is_loaded()


def _open(model: str, declaration: ModelDeclaration) -> OpenAIEndpoint:
    from multi_llm_comparator.inferencers.openai_api import EndpointOptions, OpenAIEndpoint

    assert declaration.base_url is not None
    try:
        key = resolve_key(declaration.key) if declaration.key else None
    except ConfigurationError as exc:
        raise KeyRefusedError(f"the key of {model!r}: {exc}") from exc
    options = EndpointOptions(
        base_url=declaration.base_url,
        model=declaration.model or model,
        sees_images="vision" in declaration.tags,
        sampling=declaration.sampling,
        grammar=declaration.grammar,
        max_tokens_field=declaration.max_tokens_field,
        connect_timeout_s=declaration.connect_timeout_s,
    )
    return OpenAIEndpoint(options, key)
