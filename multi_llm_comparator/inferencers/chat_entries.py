"""Messages as chat templates see them, and what they must not see: the texts of special tokens in what people wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.tools import Tool

# Mistral's templates refuse others.
_ID_CHARS = 9


class Hidden:
    """Texts that a placeholder stands for while a template runs: ``MARK number MARK``.

    Args:
        special_tokens: what must not be written by a template that quotes somebody.
        mark: a character that occurs nowhere else.
    """

    def __init__(self, special_tokens: Sequence[str], mark: str) -> None:
        self._special_tokens, self.mark = special_tokens, mark
        self.texts: list[str] = []

    def whole(self, content: str) -> str:
        """The content behind one placeholder, if it holds a special token; the space around it stays visible to
        templates that trim it."""
        if not any(token in content for token in self._special_tokens):
            return content
        core = content.strip()
        return content.replace(core, self._placeholder(core), 1)

    def inside(self, value: Any) -> Any:
        """Plain data with placeholders for special tokens alone: what is around them may be escaped by a template."""
        if isinstance(value, dict):
            return {self.inside(name): self.inside(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.inside(one) for one in value]
        if isinstance(value, str):
            for token in self._special_tokens:
                if token in value:
                    value = value.replace(token, self._placeholder(token))
        return value

    def _placeholder(self, text: str) -> str:
        if text not in self.texts:
            self.texts.append(text)
        return f"{self.mark}{self.texts.index(text)}{self.mark}"


def texts_of(messages: Iterable[Message], tools: Iterable[Tool]) -> Iterator[str]:
    """Whatever somebody wrote."""
    for message in messages:
        yield from (message.content, message.thought)
        for call in message.tool_calls:
            yield from (call.name, call.arguments, *_strings(_arguments(call.arguments)))
    for tool in tools:
        yield from (tool.name, tool.description, *_strings(json.loads(tool.parameters)))


def entries_of(messages: Sequence[Message], hidden: Hidden | None = None) -> list[dict[str, Any]]:
    """Messages as templates of Hugging Face expect them; arguments of calls as objects, a content with images as a list
    of parts."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    entries: list[dict[str, Any]] = []
    for message in messages:
        entry: dict[str, Any] = {"role": message.role, "content": _content(message, hidden)}
        if message.thought:
            # Templates that know thoughts of earlier turns read them here, and leave most of them out.
            entry["reasoning_content"] = hidden.inside(message.thought) if hidden else message.thought
        if message.role == "tool":
            entry |= {"tool_call_id": _short(message.tool_call_id), "name": names.get(message.tool_call_id, "")}
        if message.tool_calls:
            calls = [
                {
                    "id": _short(call.id),
                    "type": "function",
                    "function": {"name": call.name, "arguments": _arguments(call.arguments)},
                }
                for call in message.tool_calls
            ]
            entry["tool_calls"] = hidden.inside(calls) if hidden else calls
        entries.append(entry)
    return entries


def in_parts(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages with every content as a list of parts, for templates that know no other."""
    return [
        {**entry, "content": [{"type": "text", "text": entry["content"]}]}
        if isinstance(entry.get("content"), str)
        else entry
        for entry in entries
    ]


def _content(message: Message, hidden: Hidden | None) -> str | list[dict[str, str]]:
    whole = hidden.whole if hidden else str
    if not message.images:
        return whole(message.content)
    return [{"type": "image"} if part.image else {"type": "text", "text": whole(part.text)} for part in message.parts()]


def _arguments(text: str) -> Any:
    """Arguments that a client changed into something else than JSON are given as they are."""
    try:
        return json.loads(text or "{}")
    except (ValueError, RecursionError):
        return text


def _short(call_id: str) -> str:
    if len(call_id) == _ID_CHARS and call_id.isascii() and call_id.isalnum():
        return call_id
    return hashlib.sha256(call_id.encode("utf-8", "replace")).hexdigest()[:_ID_CHARS]


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            yield from (name, *_strings(one))
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str):
        yield value
