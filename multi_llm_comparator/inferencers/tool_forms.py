"""How a model writes calls of tools, found out from its chat template.

Each family of models has a form of its own: JSON between marks (Hermes, Qwen), bare JSON (Llama 3), a list behind a
mark (Mistral), a name and then JSON (newer Mistral, DeepSeek). None of them is known here by name. The template is made
to write calls whose parts can be told apart, and what stands around those parts is the form:

    OPENING name BETWEEN {arguments} NEXT name BETWEEN {arguments} CLOSING

A template that writes calls otherwise (arguments as XML, the name last) has no form, and says so.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# Renders a conversation: messages, tools, whether the answer is to follow.
Render = Callable[[list[dict[str, Any]], list[dict[str, Any]] | None, bool], str]
NO_TOOLS = (
    "the model's chat template has no tools, or writes calls of tools in a form that is not read here; "
    "ask without tools, or ask another model"
)
NAMES, IDS, RESULT = ("probe7first", "probe7second"), ("a1b2c3d4e", "f5g6h7i8j"), "probe7result"
ARGUMENTS: tuple[dict[str, Any], ...] = ({"probe7key": "one"}, {"probe7key": "two"})
MAX_LITERAL_CHARS = 400
# A mark that begins a call: nothing that a text has by chance.
_MARK = re.compile(r"<[^<>\s]{3,60}>|\[[A-Z_]{3,40}\]")
_ID = re.compile(rf',?\s*"(?:id|call_id|tool_call_id)":\s*"(?:{"|".join(IDS)})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class CallForm:
    """The texts around names and arguments. ``following`` is what parts two calls; empty where a template writes one
    call only."""

    opening: str
    between: str
    closing: str
    following: str = ""

    @property
    def mark(self) -> str:
        """What begins a call, wherever in an answer it stands; empty where only an answer's beginning can tell."""
        found = _MARK.match(self.opening)
        return found.group() if found else ""

    def without(self, marks: Sequence[str]) -> CallForm:
        """The form as text alone: tokens that have none, such as ``[TOOL_CALLS]`` of Mistral, are left out."""

        def text(literal: str) -> str:
            for mark in marks:
                literal = literal.replace(mark, "")
            return literal

        return CallForm(
            opening=text(self.opening).lstrip(),
            between=text(self.between),
            closing=text(self.closing),
            following=text(self.following),
        )


def find_form(render: Render, faults: tuple[type[Exception], ...]) -> CallForm | None:
    """The form in which a template writes calls; None if it has none that can be read.

    Args:
        render: runs the template.
        faults: what it may raise.
    """
    try:
        asked = [{"role": "user", "content": "hello"}]
        if NAMES[0] not in render(asked, [_tool(NAMES[0])], True):
            return None
        tools = [_tool(name) for name in NAMES]
        head, plain = render(asked, tools, True), [*asked, {"role": "assistant", "content": "probe7said"}]
        end = render(plain, tools, False).rpartition("probe7said")[2]
        answered = [*asked, _turn(1), {"role": "tool", "content": RESULT, "name": NAMES[0], "tool_call_id": IDS[0]}]
        if RESULT not in render(answered, tools, True):
            return None
        one = _after(head, render([*asked, _turn(1)], tools, False), end)
    except faults:
        return None
    try:
        two = _after(head, render([*asked, _turn(2)], tools, False), end)
    except faults:
        # Some take one call at a time.
        two = ""
    return _form(one, two)


def _tool(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"probe7key": {"type": "string", "description": "a key"}}}
    return {"type": "function", "function": {"name": name, "description": "a probe", "parameters": parameters}}


def _turn(calls: int) -> dict[str, Any]:
    """The assistant's turn with so many calls."""
    made = [
        {"id": IDS[i], "type": "function", "function": {"name": NAMES[i], "arguments": ARGUMENTS[i]}}
        for i in range(calls)
    ]
    return {"role": "assistant", "content": "", "tool_calls": made}


def _after(head: str, text: str, end: str) -> str:
    """What the assistant wrote: behind what both prompts begin with, without the end that every turn has."""
    own = text[_alike(head, text) :]
    return own[: len(own) - _alike(own[::-1], end[::-1])]


def _alike(one: str, other: str) -> int:
    """How many characters both begin with."""
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    return sum(1 for _ in same)


def _form(one: str, two: str) -> CallForm | None:
    one, two = _ID.sub("", one), _ID.sub("", two)
    first = _parts(one, 0)
    if first is None:
        return None
    opening, between, closing = first
    following = ""
    if (both := _parts(two, 0)) is not None and both[:2] == (opening, between):
        rest = _parts(both[2], 1)
        if rest is not None and rest[1:] == (between, closing):
            following = rest[0]
    form = CallForm(opening=opening.lstrip(), between=between, closing=closing.rstrip(), following=following)
    return form if _can_be_told(form) else None


def _parts(text: str, number: int) -> tuple[str, str, str] | None:
    """What stands before the name, between name and arguments, and after those."""
    before, name, rest = text.partition(NAMES[number])
    start = rest.find("{")
    while name and start >= 0:
        try:
            value, end = json.JSONDecoder().raw_decode(rest, start)
        except ValueError:
            value, end = None, start
        if value == ARGUMENTS[number]:
            return before, rest[:start], rest[end:]
        start = rest.find("{", start + 1)
    return None


def _can_be_told(form: CallForm) -> bool:
    """Whether name and arguments can be found again, and nothing of the probe is left."""
    literals = (form.opening, form.between, form.closing, form.following)
    left = any(probe in literal for literal in literals for probe in ("probe7", *IDS))
    return not left and bool(form.opening and form.between) and max(map(len, literals)) <= MAX_LITERAL_CHARS
