"""Vectors of texts by the name of a target: from the local engine, or from an endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.embeddings import MAX_TEXTS, EmbedRequest, EmbedResult, Tokens
from multi_llm_comparator.core.exceptions import RequestRefusedError, UnsupportedModelError
from multi_llm_comparator.groups.gateway import Gateway

# So many requests for vectors are at one endpoint at once, whoever asks.
AT_ONCE = 4


class TextEmbedder(Protocol):
    """The local engine."""

    async def embed(self, target: str, request: EmbedRequest) -> EmbedResult:
        """Vectors that stand for texts, by ``target``."""


class GatewayEmbedder:
    """Vectors from whatever the gateway knows by name, where that is one model.

    A group may answer with any of its models, whose vectors have nothing to do with each other: it is refused.
    """

    def __init__(self, gateway: Gateway, engine: TextEmbedder) -> None:
        self._gateway, self._engine = gateway, engine
        self._places: dict[str, asyncio.Semaphore] = {}

    async def embed(self, target: str, texts: Sequence[str | Tokens], config: ModelConfig) -> EmbedResult:
        """A vector for each of ``texts``, however many they are.

        Raises:
            UnsupportedModelError: the name stands for several models, or for one that makes none.
            MultiLLMError: why there are none.
        """
        parts = [tuple(texts[at : at + MAX_TEXTS]) for at in range(0, len(texts), MAX_TEXTS)]
        declaration = self._gateway.groups.config.models.get(target)
        if declaration is None or not declaration.is_remote:
            if declaration is None and not self._gateway.groups.targets.names_local_model(target):
                raise UnsupportedModelError(f"{target!r} stands for several models; take vectors of one of them")
            name = (declaration.local if declaration else None) or target
            # One after the other: a client that leaves takes what has not begun with it.
            return _joined([await self._engine.embed(name, EmbedRequest(texts=part, config=config)) for part in parts])
        plain = [[text for text in part if isinstance(text, str)] for part in parts]
        if sum(map(len, plain)) != len(texts):
            raise RequestRefusedError(f"{target!r} is an endpoint, whose tokens nobody here knows; send text")
        found = []
        for part in plain:
            async with self._places.setdefault(target, asyncio.Semaphore(AT_ONCE)):
                found.append(await self._gateway.parts.endpoints.embed(target, declaration, part))
        return _joined(found)


def _joined(results: Sequence[EmbedResult]) -> EmbedResult:
    return EmbedResult(
        vectors=tuple(one for result in results for one in result.vectors),
        tokens=tuple(count for result in results for count in result.tokens),
        how=results[0].how,
    )
