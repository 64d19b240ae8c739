"""The end of a stream of events that is no answer: the result of a request for scores, tokens or vectors."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from multi_llm_comparator.core.embeddings import EmbedResult
from multi_llm_comparator.core.events import Embedded, Event, Failed, Scored, Tokenized
from multi_llm_comparator.core.exceptions import InferenceError, error_from_name
from multi_llm_comparator.core.scores import ScoreResult
from multi_llm_comparator.core.token_requests import TokenList


async def result_of(events: AsyncGenerator[Event, None]) -> ScoreResult:
    """Wait for the result in a stream of events. Being cancelled cancels the request.

    Raises:
        MultiLLMError: what the stream failed with.
    """
    return ScoreResult.from_dict(await _end_of(events))


async def vectors_of(events: AsyncGenerator[Event, None]) -> EmbedResult:
    """See :func:`result_of`."""
    return EmbedResult.from_dict(await _end_of(events))


async def tokens_of(events: AsyncGenerator[Event, None]) -> TokenList:
    """See :func:`result_of`."""
    return TokenList.from_dict(await _end_of(events))


async def _end_of(events: AsyncGenerator[Event, None]) -> dict[str, Any]:
    async with contextlib.aclosing(events) as stream:
        async for event in stream:
            match event:
                case Scored(result=result) | Tokenized(result=result) | Embedded(result=result):
                    return result
                case Failed(error_type=kind, message=message):
                    raise error_from_name(kind, message)
    raise InferenceError("the work was stopped before it gave a result; ask again")
