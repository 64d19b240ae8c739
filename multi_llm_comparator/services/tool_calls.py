"""Tools for local models: the request as an engine takes it, and its text as text and calls."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from typing import Any

from multi_llm_comparator.core.events import Event, Finished, TextDelta, ToolCallDelta
from multi_llm_comparator.core.exceptions import ToolsRefusedError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.tools import AUTO, check_tools
from multi_llm_comparator.inferencers.tool_forms import NO_TOOLS, CallForm
from multi_llm_comparator.inferencers.tool_grammar import tool_constraint
from multi_llm_comparator.inferencers.tool_reader import CallPiece, ToolCallReader
from multi_llm_comparator.services.model_process import AnyRequest


def with_tools(request: AnyRequest, info: Mapping[str, Any]) -> tuple[AnyRequest, ToolCallReader | None]:
    """The request held to what its tools allow, and who reads the calls; without tools as it is.

    Args:
        info: what the engine tells of the loaded model; ``tools`` is how it writes calls.

    Raises:
        ToolsRefusedError: the model has no tools.
        InvalidParameterError: tools and choice do not go together.
    """
    if not isinstance(request, GenerationRequest) or not request.offered_tools:
        return request, None
    check_tools(request.tools, request.tool_choice)
    told = info.get("tools")
    if told is None:
        raise ToolsRefusedError(NO_TOOLS)
    form, marks = CallForm(**told["form"]), told["marks"]
    must_call = request.tool_choice != AUTO
    reader = ToolCallReader(form.without(list(marks)), must_call=must_call)
    return replace(request, constraint=tool_constraint(request, form, marks)), reader


async def reading_calls(
    events: AsyncGenerator[Event, None], reader: ToolCallReader | None
) -> AsyncGenerator[Event, None]:
    """The events, with calls apart from the text.

    Raises:
        InferenceError: what was begun as a call is none.
    """
    async with contextlib.aclosing(events) as stream:
        async for event in stream:
            if reader is None:
                yield event
            elif isinstance(event, TextDelta):
                for one in _split(event, reader):
                    yield one
            else:
                if isinstance(event, Finished) and (held := reader.flush()):
                    yield TextDelta(request_id=event.request_id, text=held, tokens=event.completion_tokens)
                yield event


def _split(event: TextDelta, reader: ToolCallReader) -> list[Event]:
    """At least one event, for each of them tells how many tokens were written."""
    split: list[Event] = []
    has_text = False
    for piece in reader.push(event.text):
        if isinstance(piece, CallPiece):
            split.append(
                ToolCallDelta(
                    request_id=event.request_id,
                    at=event.at,
                    text="",
                    tokens=event.tokens,
                    index=piece.index,
                    id=piece.id,
                    name=piece.name,
                    arguments=piece.arguments,
                )
            )
        else:
            split.append(replace(event, text=piece, pieces=() if has_text else event.pieces))
            has_text = True
    return split or [replace(event, text="")]
