"""Turns of conversations, whatever their fields are called, and which of them can be learnt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from multi_llm_comparator.core.requests import Message, Role
from multi_llm_comparator.tracking.rows import storable
from multi_llm_comparator.training.data.chats import MAX_CHAT_CHARS, MAX_CHAT_MESSAGES
from multi_llm_comparator.training.data.spec import Rule

MAX_ROLE_CHARS = 40
_ROLES: dict[str, Role] = {
    "system": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
}
# What text alone does not say; a chat that needs one of these would teach answers to questions nobody saw.
_BEYOND_TEXT = ("image", "images", "video", "videos", "audio", "audios", "tools", "functions")
_CALLS = ("tool_calls", "function_call")
_TOOL_ROLES = ("tool", "function", "function_call", "observation", "tool_call", "tool_response", "ipython")

Turns = tuple[list[Message], list[bool]]  # messages, and whether each counts if it is the assistant's


class Unusable(Exception):
    """This row cannot be learnt from; others of its file can. ``rule`` is what it is counted under."""

    def __init__(self, rule: Rule, why: str) -> None:
        super().__init__(why)
        self.rule: Rule = rule


def check_is_text(record: Mapping[str, Any]) -> None:
    """Raises Unusable: images, sound or tools belong to it."""
    for name in _BEYOND_TEXT:
        if record.get(name):
            raise Unusable("beyond_text", f"it has {name!r}, and only text is learnt")


def turns_of(turns: Any, name: str, role_key: str, text_key: str) -> Turns:
    """Messages of a list of turns.

    Raises:
        Unusable: it is none, or somebody else than system, user and assistant speaks.
    """
    messages, weights = [], []
    for number, turn in enumerate(as_list(turns, name), 1):
        if not isinstance(turn, dict):
            raise Unusable("invalid", f"{name!r} must hold objects, number {number} is none")
        check_is_text(turn)
        messages.append(Message(_role(turn, role_key, number), _content(turn.get(text_key), number)))
        weights.append(_counts(turn, number))
    return messages, weights


def _role(turn: Mapping[str, Any], role_key: str, number: int) -> Role:
    role = turn.get(role_key)
    calls = any(turn.get(name) for name in _CALLS)
    known = _ROLES.get(role.strip().lower()) if isinstance(role, str) and len(role) <= MAX_ROLE_CHARS else None
    if known is None or calls:
        what = "calls a tool" if calls else f"is by {str(role)[:MAX_ROLE_CHARS]!r}"
        rule: Rule = "beyond_text" if calls or role in _TOOL_ROLES else "invalid"
        raise Unusable(rule, f"message {number} {what}, and only what is said by system, user and assistant is learnt")
    return known


def learnt_of(messages: Sequence[Message], weights: Sequence[bool]) -> tuple[int, ...]:
    """Which messages are to be learnt.

    Raises:
        Unusable: none of them, or the conversation is too long or in an order that no model is asked in.
    """
    if sum(len(message.content) for message in messages) > MAX_CHAT_CHARS or len(messages) > MAX_CHAT_MESSAGES:
        raise Unusable("invalid", f"it is longer than {MAX_CHAT_CHARS:,} characters or {MAX_CHAT_MESSAGES:,} messages")
    if any(message.role == "system" for message in messages[1:]):
        raise Unusable("invalid", "a system message stands behind others")
    learnt = tuple(
        index
        for index, (message, counts) in enumerate(zip(messages, weights, strict=True))
        if counts and message.role == "assistant" and message.content.strip()
    )
    if not learnt:
        raise Unusable("empty", "no answer of the assistant is to be learnt")
    if not any(message.role == "user" and message.content.strip() for message in messages[: learnt[0]]):
        raise Unusable("empty", "the assistant answers before the user asks")
    return learnt


def as_list(value: Any, name: str) -> list[Any]:
    """A list, also one that a cell holds as JSON text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise Unusable("invalid", f"{name!r} must be a list, and is not JSON") from None
    if not isinstance(value, list):
        raise Unusable("invalid", f"{name!r} must be a list")
    if len(value) > MAX_CHAT_MESSAGES:
        raise Unusable("invalid", f"{name!r} has more than {MAX_CHAT_MESSAGES:,} messages")
    return value


def _counts(turn: Mapping[str, Any], number: int) -> bool:
    """Whether a message is to be learnt: data sets give those that are not a weight of 0."""
    for name in ("weight", "loss_weight"):
        weight = turn.get(name)
        if weight is None:
            continue
        if not isinstance(weight, int | float):
            raise Unusable("invalid", f"the {name!r} of message {number} must be a number")
        if weight == 0:
            return False
    return True


def _content(content: Any, number: int) -> str:
    """A message's text; lists of parts name it ``text``, or ``value`` in some data sets."""
    if isinstance(content, str):
        return storable(content)
    if isinstance(content, list):
        texts = [_part(part) for part in content]
        if texts and None not in texts:
            return storable("".join(filter(None, texts)))
    rule: Rule = "beyond_text" if _has_other_parts(content) else "invalid"
    raise Unusable(rule, f"the content of message {number} is not text")


def _part(part: Any) -> str | None:
    """The text of a part; None if it is something else."""
    if not isinstance(part, dict) or part.get("type") != "text":
        return None
    # Tables give every part the fields of all kinds of parts.
    text = part.get("text") if part.get("text") is not None else part.get("value")
    return text if isinstance(text, str) else None


def _has_other_parts(content: Any) -> bool:
    return isinstance(content, list) and any(
        isinstance(p, dict) and p.get("type") not in (None, "text") for p in content
    )


def text_of(record: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is there, as text; empty where there is none.

    Raises:
        Unusable: it is something else.
    """
    name = next((name for name in names if record.get(name) is not None), names[0])
    value = record.get(name) or ""
    if not isinstance(value, str):
        raise Unusable("invalid", f"{name!r} must be text, not {type(value).__name__}")
    return storable(value)
