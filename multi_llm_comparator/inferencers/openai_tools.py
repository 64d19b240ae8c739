"""Tools of a request as OpenAI's API takes them, and the calls that its stream brings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from multi_llm_comparator.core.events import ToolCallDelta
from multi_llm_comparator.core.exceptions import ProviderUnavailableError
from multi_llm_comparator.core.keys import KeyMask, scrub
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.tools import AUTO, MAX_TOOLS, NONE, REQUIRED, check_tools

MAX_NAME_CHARS = 300


def tool_arguments(request: GenerationRequest) -> dict[str, Any]:
    """The fields of a request that are about tools.

    Raises:
        InvalidParameterError: tools and choice do not go together.
    """
    if not request.tools:
        return {}
    check_tools(request.tools, request.tool_choice)
    tools = [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description,
                "parameters": json.loads(tool.parameters),
            },
        }
        for tool in request.tools
    ]
    choice: Any = request.tool_choice
    if choice not in (AUTO, REQUIRED, NONE):
        choice = {"type": "function", "function": {"name": choice}}
    # Most servers that know tools know no more than one call an answer unless told; OpenAI's own default is several.
    several = {} if request.parallel_tool_calls else {"parallel_tool_calls": False}
    return {"tools": tools, "tool_choice": choice, **several}


def call_fields(message: Message) -> dict[str, Any]:
    """What a message has besides role and content."""
    fields: dict[str, Any] = {}
    if message.tool_calls:
        fields["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
        if not message.content:
            fields["content"] = None
    if message.role == "tool":
        fields["tool_call_id"] = message.tool_call_id
    return fields


class CallReader:
    """Reads the calls of one answer's chunks. A key of ours in them is masked, as in text."""

    def __init__(self, request_id: str) -> None:
        self._request_id = request_id
        self._masks: dict[int, KeyMask] = {}
        self._pieces = 0

    def read(self, chunk: Mapping[str, Any]) -> Iterator[ToolCallDelta]:
        """The pieces in a chunk.

        Raises:
            ProviderUnavailableError: they look like nothing that the API knows.
        """
        try:
            choices = chunk.get("choices")
            delta = (choices[0].get("delta") if choices else None) or {}
            told = [(int(one["index"]), one.get("id"), one.get("function")) for one in delta.get("tool_calls") or ()]
            pieces = [
                (index, str(name or ""), str(function.get("name") or ""), str(function.get("arguments") or ""))
                for index, name, function in told
                if function is not None
            ]
        except (AttributeError, TypeError, ValueError, LookupError) as exc:
            raise ProviderUnavailableError(
                f"the endpoint sent a call of a tool that is none: {scrub(str(exc))[:300]}"
            ) from None
        for index, call_id, name, arguments in pieces:
            if not 0 <= index < MAX_TOOLS:
                raise ProviderUnavailableError(f"the endpoint numbers a call of a tool as {index}")
            is_new = index not in self._masks
            mask = self._masks.setdefault(index, KeyMask())
            text = mask.push(arguments) if arguments else ""
            if is_new or text:
                yield self._delta(index, scrub(call_id), scrub(name[:MAX_NAME_CHARS]) if is_new else "", text, is_new)

    def rest(self) -> Iterator[ToolCallDelta]:
        """What was held back because a key could have begun so."""
        for index, mask in self._masks.items():
            if text := mask.flush():
                yield self._delta(index, "", "", text, False)

    def _delta(self, index: int, call_id: str, name: str, arguments: str, is_new: bool) -> ToolCallDelta:
        self._pieces += 1
        return ToolCallDelta(
            request_id=self._request_id,
            text="",
            tokens=self._pieces,
            index=index,
            id=call_id if is_new else "",
            name=name,
            arguments=arguments,
        )
