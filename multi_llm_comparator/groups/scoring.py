"""Scores by the name of a target: from the local engine, or from an endpoint that shows log-probabilities."""

from __future__ import annotations

import asyncio

from multi_llm_comparator.core.exceptions import UnsupportedModelError
from multi_llm_comparator.core.scores import ScoreRequest, ScoreResult, TextScorer
from multi_llm_comparator.groups.gateway import Gateway

# So many score requests are at one endpoint at once, whoever asks.
AT_ONCE = 4


class GatewayScorer:
    """Scores for whatever the gateway knows by name, where that is one model.

    A group may answer with any of its models, whose scores cannot be compared: it is not scored. Scores of an endpoint
    do not count against limits and budgets; at most :data:`AT_ONCE` are asked at once.

    Args:
        gateway: knows the names and has the endpoints.
        engine: scores for local models.
    """

    def __init__(self, gateway: Gateway, engine: TextScorer) -> None:
        self._gateway, self._engine = gateway, engine
        self._places: dict[str, asyncio.Semaphore] = {}

    async def score(self, target: str, request: ScoreRequest) -> ScoreResult:
        """How likely texts are to ``target``.

        Raises:
            UnsupportedModelError: its probabilities cannot be seen: its choice can only be looked for in what it
                writes.
            MultiLLMError: why it cannot be told.
        """
        declaration = self._gateway.groups.config.models.get(target)
        if declaration is not None and declaration.is_remote:
            if not declaration.echoes:
                raise UnsupportedModelError(
                    f"{target!r} is not declared to show log-probabilities of a prompt ('echoes: true')"
                )
            async with self._places.setdefault(target, asyncio.Semaphore(AT_ONCE)):
                return await self._gateway.parts.endpoints.score(target, declaration, request)
        if declaration is None and not self._gateway.groups.targets.names_local_model(target):
            raise UnsupportedModelError(f"{target!r} stands for several models; score one of them")
        return await self._engine.score((declaration.local if declaration else None) or target, request)
