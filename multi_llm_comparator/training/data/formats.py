"""From rows to chats and pairs: the forms that instruction data comes in.

Known forms: chat ``messages`` (OpenAI), ``conversations`` of ``from`` and ``value`` (ShareGPT), ``instruction`` /
``input`` / ``output`` with ``system`` and ``history`` (Alpaca; Dolly's and the Stanford seed tasks' names too),
``prompt`` and ``completion`` as texts or messages, and preference pairs ``chosen`` / ``rejected``, with the prompt
beside them or in them (https://huggingface.co/docs/trl/dataset_formats).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.tracking.rows import storable
from multi_llm_comparator.training.data.chats import Chat, Example, PreferencePair
from multi_llm_comparator.training.data.spec import ColumnMapping, Format
from multi_llm_comparator.training.data.turns import (
    Turns,
    Unusable,
    as_list,
    check_is_text,
    learnt_of,
    text_of,
    turns_of,
)

INPUTS = ("input", "context")
OUTPUTS = ("output", "response")
PROMPTS = ("prompt", "question", "query")
COMPLETIONS = ("completion", "response", "answer", "output")


def examples_of(record: Mapping[str, Any], form: Format, mapping: ColumnMapping | None = None) -> list[Example]:
    """What a row teaches: one example, or several where it holds several answers to one instruction.

    They have no place yet: the caller knows it.

    Args:
        record: the row.
        form: how it is read; ``auto`` takes the first form of chats that its fields fit.
        mapping: for the form ``columns``.

    Raises:
        Unusable: nothing can be learnt from it.
    """
    check_is_text(record)
    if form == "columns":
        return [_from_columns(record, mapping or ColumnMapping())]
    if form == "preference":
        if not FITS[form](record):
            raise Unusable("invalid", "it has not both 'chosen' and 'rejected'")
        return [_from_pair(record)]
    if form == "auto":
        form = next((name for name, fits in FITS.items() if name != "preference" and fits(record)), form)
    if form not in _CHATS or not FITS[form](record):
        raise Unusable("invalid", f"it has none of {', '.join(map(repr, _KEYS))}")
    if form == "alpaca" and isinstance(record.get("instances"), list):
        return [_chat(_from_alpaca({**record, **instance})) for instance in _instances(record)]
    return [_chat(_CHATS[form](record))]


_KEYS = ("messages", "conversations", "instruction", "prompt")


# By what a row has: the first that fits is taken.
FITS: dict[Format, Callable[[Mapping[str, Any]], bool]] = {
    "preference": lambda record: "chosen" in record and "rejected" in record,
    "messages": lambda record: "messages" in record or (
        "conversations" in record and _keys_of_turns(record["conversations"]) >= {"role", "content"}
    ),
    "sharegpt": lambda record: "conversations" in record,
    "alpaca": lambda record: "instruction" in record,
    "prompt_completion": lambda record: any(n in record for n in PROMPTS) and any(n in record for n in COMPLETIONS),
}  # fmt: skip


def _keys_of_turns(turns: Any) -> set[str]:
    return set(turns[0]) if isinstance(turns, list) and turns and isinstance(turns[0], dict) else set()


def _chat(turns: Turns) -> Chat:
    messages, weights = turns
    return Chat(tuple(messages), learnt_of(messages, weights), "")


def _from_messages(record: Mapping[str, Any]) -> Turns:
    return turns_of(record.get("messages", record.get("conversations")), "messages", "role", "content")


def _from_sharegpt(record: Mapping[str, Any]) -> Turns:
    messages, weights = turns_of(record.get("conversations"), "conversations", "from", "value")
    if system := text_of(record, "system"):
        messages, weights = [Message("system", system), *messages], [False, *weights]
    return messages, weights


def _from_alpaca(record: Mapping[str, Any]) -> Turns:
    messages = [Message("system", system)] if (system := text_of(record, "system")) else []
    history = record.get("history")
    for pair in as_list(history, "history") if history else []:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(text, str) for text in pair):
            raise Unusable("invalid", "'history' must be a list of question and answer")
        messages += [Message("user", storable(pair[0])), Message("assistant", storable(pair[1]))]
    asked = "\n".join(filter(None, (text_of(record, "instruction"), text_of(record, *INPUTS))))
    messages += [Message("user", asked), Message("assistant", text_of(record, *OUTPUTS))]
    return messages, [True] * len(messages)


def _instances(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    instances = record["instances"]
    if not instances or not all(isinstance(instance, dict) for instance in instances):
        raise Unusable("invalid", "'instances' must be a list of objects")
    return list(instances[:1_000])


def _from_prompt(record: Mapping[str, Any]) -> Turns:
    messages = [Message("system", system)] if (system := text_of(record, "system")) else []
    weights = [False] * len(messages)
    for names, role in ((PROMPTS, "user"), (COMPLETIONS, "assistant")):
        name = next((name for name in names if record.get(name) is not None), names[0])
        turns, counts = _text_or_turns(record, name, role)
        messages += turns
        # Whatever the prompt says is given, also what the assistant says in it.
        weights += counts if role == "assistant" else [False] * len(turns)
    return messages, weights


def _text_or_turns(record: Mapping[str, Any], name: str, role: Any) -> Turns:
    if isinstance(record.get(name), list):
        return turns_of(record[name], name, "role", "content")
    return [Message(role, text_of(record, name))], [True]


_CHATS: dict[Format, Callable[[Mapping[str, Any]], Turns]] = {
    "messages": _from_messages,
    "sharegpt": _from_sharegpt,
    "alpaca": _from_alpaca,
    "prompt_completion": _from_prompt,
}


# --- pairs ----------------------------------------------------------------------------------------------------------


def _from_pair(record: Mapping[str, Any]) -> PreferencePair:
    """A pair as trl has it; where there is no prompt, it is what both conversations begin with."""
    sides = [_side(record, name) for name in ("chosen", "rejected")]
    prompt = next((name for name in PROMPTS if record.get(name)), None)
    if prompt is not None:
        given, _ = _text_or_turns(record, prompt, "user")
        if system := text_of(record, "system"):
            given = [Message("system", system), *given]
        # Some data sets repeat the prompt in both sides.
        sides = [side[len(given) :] if side[: len(given)] == given else side for side in sides]
    else:
        same = next((i for i, (a, b) in enumerate(zip(*sides, strict=False)) if a != b), min(map(len, sides)))
        given, sides = sides[0][:same], [side[same:] for side in sides]
    return _pair(given, *sides)


def _side(record: Mapping[str, Any], name: str) -> list[Message]:
    messages, _ = _text_or_turns(record, name, "assistant")
    return messages


def _pair(prompt: Sequence[Message], chosen: Sequence[Message], rejected: Sequence[Message]) -> PreferencePair:
    for name, side in (("chosen", chosen), ("rejected", rejected)):
        if len(side) != 1 or side[0].role != "assistant" or not side[0].content.strip():
            raise Unusable("empty" if not side else "invalid", f"{name!r} must be one answer of the assistant")
        # The same bounds and the same order as of any chat.
        learnt_of([*prompt, *side], [False] * len(prompt) + [True])
    return PreferencePair(tuple(prompt), chosen[0].content, rejected[0].content, "")


# --- columns --------------------------------------------------------------------------------------------------------


def _from_columns(record: Mapping[str, Any], mapping: ColumnMapping) -> Example:
    system = _column_text(record, mapping.system) or mapping.system_text
    if mapping.conversation:
        turns = _column(record, mapping.conversation)
        messages, weights = turns_of(turns, mapping.conversation, mapping.role_key, mapping.content_key)
        if system and messages and messages[0].role != "system":
            messages, weights = [Message("system", system), *messages], [False, *weights]
        return _chat((messages, weights))
    asked = "\n".join(filter(None, (_column_text(record, name) for name in mapping.user)))
    prompt = [*([Message("system", system)] if system else []), Message("user", asked)]
    answer = Message("assistant", _column_text(record, mapping.assistant))
    if mapping.rejected:
        return _pair(prompt, [answer], [Message("assistant", _column_text(record, mapping.rejected))])
    return _chat(([*prompt, answer], [False] * len(prompt) + [True]))


def _column(record: Mapping[str, Any], name: str) -> Any:
    """A field by its name; by dots through nested objects where there is none of that name."""
    if name in record:
        return record[name]
    value: Any = record
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise Unusable("invalid", f"it has no column {name!r}")
        value = value[part]
    return value


def _column_text(record: Mapping[str, Any], name: str | None) -> str:
    if name is None:
        return ""
    value = _column(record, name)
    if value is None or isinstance(value, str):
        return storable(value or "")
    if isinstance(value, bool | int | float):
        return str(value)
    raise Unusable("invalid", f"{name!r} must be text, not {type(value).__name__}")


def group_of(record: Mapping[str, Any], column: str | None) -> str:
    """The group that a row belongs to, as a short text; empty for none."""
    if column is None:
        return ""
    try:
        return _column_text(record, column)[:200]
    except Unusable:
        return ""
