"""Chats to learn from, out of the JSON shapes that are around.

Known shapes: chat ``messages`` (OpenAI, and what building pairs for a planner writes), ``conversations`` of ``from``
and ``value`` (ShareGPT), ``instruction`` / ``input`` / ``output`` with ``system`` and ``history`` (Alpaca), ``prompt``
and ``completion`` as texts or as messages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.json_records import read_records
from multi_llm_comparator.core.requests import Message, Role
from multi_llm_comparator.tracking.rows import storable
from multi_llm_comparator.training.left_out import LeftOut

MAX_RECORDS = 1_000_000
MAX_CHAT_CHARS = 1_000_000
MAX_CHAT_MESSAGES = 1_000
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


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation and which of its messages (by index, all of them the assistant's) are to be learnt.

    ``where`` names it in what a person is told.
    """

    messages: tuple[Message, ...]
    learnt: tuple[int, ...]
    where: str


@dataclass(frozen=True, slots=True)
class InstructionData:
    """The chats of a file, and the records that cannot be learnt from."""

    chats: tuple[Chat, ...]
    left_out: LeftOut


class _Unusable(Exception):
    """This record cannot be learnt from; others of its file can."""


def read_instruction_data(path: str | Path) -> InstructionData:
    """Read a JSON list or JSON lines of chats. A record that cannot be used is left out and counted.

    Raises:
        DocumentError: the file cannot be read, or has nothing to learn from.
    """
    path = Path(path)
    chats: list[Chat] = []
    left_out = LeftOut()
    for number, (where, record) in enumerate(read_records(path), 1):
        if number > MAX_RECORDS:
            raise DocumentError(f"{str(path)!r} has more than {MAX_RECORDS:,} records; split it")
        try:
            chats.append(_chat(record, where))
        except _Unusable as exc:
            left_out.add(str(exc), where)
    if not chats:
        raise DocumentError(f"{str(path)!r} has nothing to learn from: {left_out if len(left_out) else 'it is empty'}")
    return InstructionData(tuple(chats), left_out)


def _chat(record: Mapping[str, Any], where: str) -> Chat:
    _check_is_text(record)
    for key, read in _SHAPES.items():
        if key in record:
            messages, weights = read(record)
            return Chat(tuple(messages), _learnt(messages, weights), where)
    raise _Unusable(f"it has none of {', '.join(map(repr, _SHAPES))}")


def _check_is_text(record: Mapping[str, Any]) -> None:
    for name in _BEYOND_TEXT:
        if record.get(name):
            raise _Unusable(f"it has {name!r}, and only text is learnt")


def _learnt(messages: Sequence[Message], weights: Sequence[bool]) -> tuple[int, ...]:
    if sum(len(message.content) for message in messages) > MAX_CHAT_CHARS or len(messages) > MAX_CHAT_MESSAGES:
        raise _Unusable(f"it is longer than {MAX_CHAT_CHARS:,} characters or {MAX_CHAT_MESSAGES:,} messages")
    if any(message.role == "system" for message in messages[1:]):
        raise _Unusable("a system message stands behind others")
    learnt = tuple(
        index
        for index, (message, counts) in enumerate(zip(messages, weights, strict=True))
        if counts and message.role == "assistant" and message.content.strip()
    )
    if not learnt:
        raise _Unusable("no answer of the assistant is to be learnt")
    if not any(message.role == "user" and message.content.strip() for message in messages[: learnt[0]]):
        raise _Unusable("the assistant answers before the user asks")
    return learnt


_Read = tuple[list[Message], list[bool]]


def _from_messages(record: Mapping[str, Any]) -> _Read:
    return _turns(record["messages"], "messages", "role", "content")


def _from_conversations(record: Mapping[str, Any]) -> _Read:
    messages, weights = _turns(record["conversations"], "conversations", "from", "value")
    if system := _text(record, "system"):
        messages, weights = [Message("system", system), *messages], [False, *weights]
    return messages, weights


def _from_instruction(record: Mapping[str, Any]) -> _Read:
    messages = [Message("system", system)] if (system := _text(record, "system")) else []
    history = record.get("history") or []
    if not isinstance(history, list):
        raise _Unusable("'history' must be a list of question and answer")
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise _Unusable("'history' must be a list of question and answer")
        messages += [Message("user", storable(pair[0])), Message("assistant", storable(pair[1]))]
    asked = "\n".join(filter(None, (_text(record, "instruction"), _text(record, "input"))))
    messages += [Message("user", asked), Message("assistant", _text(record, "output"))]
    return messages, [True] * len(messages)


def _from_prompt(record: Mapping[str, Any]) -> _Read:
    messages: list[Message] = []
    weights: list[bool] = []
    sides: tuple[tuple[str, Role], ...] = (("prompt", "user"), ("completion", "assistant"))
    for name, role in sides:
        if isinstance(record.get(name), list):
            turns, counts = _turns(record[name], name, "role", "content")
        else:
            turns, counts = [Message(role, _text(record, name))], [True]
        messages += turns
        # Whatever the prompt says is given, also what the assistant says in it.
        weights += counts if name == "completion" else [False] * len(turns)
    return messages, weights


_SHAPES: dict[str, Callable[[Mapping[str, Any]], _Read]] = {
    "messages": _from_messages,
    "conversations": _from_conversations,
    "instruction": _from_instruction,
    "prompt": _from_prompt,
}


def _turns(turns: Any, name: str, role_key: str, text_key: str) -> _Read:
    if not isinstance(turns, list):
        raise _Unusable(f"{name!r} must be a list")
    messages, weights = [], []
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict):
            raise _Unusable(f"{name!r} must hold objects, number {number} is none")
        _check_is_text(turn)
        role, calls = turn.get(role_key), any(turn.get(name) for name in _CALLS)
        if not isinstance(role, str) or role not in _ROLES or calls:
            what = "calls a tool" if calls else f"is by {str(role)[:MAX_ROLE_CHARS]!r}"
            raise _Unusable(f"message {number} {what}, and only what is said by system, user and assistant is learnt")
        messages.append(Message(_ROLES[role], _content(turn.get(text_key), number)))
        weights.append(_counts(turn, number))
    return messages, weights


def _counts(turn: Mapping[str, Any], number: int) -> bool:
    """Whether a message is to be learnt: data sets give those that are not a weight of 0."""
    for name in ("weight", "loss_weight"):
        weight = turn.get(name, 1)
        if not isinstance(weight, int | float):
            raise _Unusable(f"the {name!r} of message {number} must be a number")
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
    raise _Unusable(f"the content of message {number} is not text")


def _part(part: Any) -> str | None:
    """The text of a part; None if it is something else."""
    if not isinstance(part, dict) or part.get("type") != "text":
        return None
    text = part.get("text", part.get("value"))
    return text if isinstance(text, str) else None


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name) or ""
    if not isinstance(value, str):
        raise _Unusable(f"{name!r} must be text, not {type(value).__name__}")
    return storable(value)
