"""The end of a score request's stream of events: its result."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from multi_llm_comparator.core.events import Event, Failed, Scored
from multi_llm_comparator.core.exceptions import InferenceError, error_from_name
from multi_llm_comparator.core.scores import ScoreResult


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
