"""The end of a stream of events that is no answer: the result of a score request, or of a token request."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from multi_llm_comparator.core.events import Event, Failed, Scored, Tokenized
from multi_llm_comparator.core.exceptions import InferenceError, error_from_name
from multi_llm_comparator.core.scores import ScoreResult
from multi_llm_comparator.core.token_requests import TokenList


async def result_of(events: AsyncGenerator[Event, None]) -> ScoreResult:
    """Wait for the result in a stream of events. Being cancelled cancels the request.

    Raises:
        MultiLLMError: what the stream failed with.
    """
    async with contextlib.aclosing(events) as stream:
        async for event in stream:
            match event:
                case Scored(result=result):
                    return ScoreResult.from_dict(result)
                case Failed(error_type=kind, message=message):
                    raise error_from_name(kind, message)
    raise InferenceError("scoring was stopped before it gave a result; ask again")


async def tokens_of(events: AsyncGenerator[Event, None]) -> TokenList:
    """As :func:`result_of`, of a token request."""
    async with contextlib.aclosing(events) as stream:
        async for event in stream:
            match event:
                case Tokenized(result=result):
                    return TokenList.from_dict(result)
                case Failed(error_type=kind, message=message):
                    raise error_from_name(kind, message)
    raise InferenceError("the model ended before it told its tokens; ask again")
