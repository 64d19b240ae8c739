"""The grammar of an answer that may call tools.

Names are those of the tools, arguments are held to their schemas. With the choice left to the model its text is free
until it begins a call: by the form's mark where there is one, else at the answer's beginning only. The grammar is in
llguidance's form of Lark (its ``docs/syntax.md``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from multi_llm_comparator.core.constraints import JSON_SPACE, Constraint
from multi_llm_comparator.core.exceptions import ToolsRefusedError
from multi_llm_comparator.core.requests import GenerationRequest
from multi_llm_comparator.core.tools import AUTO, REQUIRED, Tool
from multi_llm_comparator.inferencers.tool_forms import CallForm

if TYPE_CHECKING:
    from multi_llm_comparator.inferencers.chat import ChatTemplate


def tool_constraint(request: GenerationRequest, form: CallForm, marks: Mapping[str, int]) -> Constraint:
    """What an answer to ``request`` may be, of a model that writes calls as ``form``.

    Args:
        marks: ids of the control tokens that stand in the form, by their text.

    Raises:
        ToolsRefusedError: such a form cannot be told from text, and the model is to choose; or the answer is to keep to
            two forms at once.
    """
    tools = [tool for tool in request.tools if request.tool_choice in (AUTO, REQUIRED, tool.name)]
    calls = _calls(tools, form, marks, several=request.parallel_tool_calls and bool(form.following))
    if request.tool_choice != AUTO:
        return Constraint(lark=f"%llguidance {{}}\nstart: {_literal(form.opening, marks)} calls\n{calls}")
    own = request.constraint
    if own is not None and own.json_schema is None:
        raise ToolsRefusedError("an answer with tools is held to a JSON schema or to nothing; take out the constraint")
    if own is not None:
        text = f"text: %json {_json(json.loads(own.json_schema or ''))}\n"
        return Constraint(lark=f"%llguidance {{}}\nstart: text | opening calls\n{_opening(form, marks)}{text}{calls}")
    return Constraint(lark=f"%llguidance {{}}\n{_choice(form, marks)}{calls}")


def _choice(form: CallForm, marks: Mapping[str, int]) -> str:
    """Text, or text and then calls."""
    mark = form.mark
    if mark and mark not in marks:
        rest = _literal(form.opening.removeprefix(mark), marks)
        return f"start: ANY | begun {rest} calls\nbegun[lazy]: ANY {json.dumps(mark)}\nANY: /(.|\\n)*/\n"
    # Without the tokens that have no text, as the reader sees it.
    first = form.without(list(marks)).opening
    if not re.match(r"[{\[<].{2}", first, re.DOTALL):
        raise ToolsRefusedError(
            f"this model begins a call by {form.opening!r}, which cannot be told from text; ask with 'tool_choice': "
            "'required'"
        )
    other = rf"ANY: /(.|\n)*/ & ~/{_regex(first)}(.|\n)*/"
    return f"start: ANY | {_literal(form.opening, marks)} calls\n{other}\n"


def _opening(form: CallForm, marks: Mapping[str, int]) -> str:
    return f"opening: {_literal(form.opening, marks)}\n"


def _calls(tools: Iterable[Tool], form: CallForm, marks: Mapping[str, int], *, several: bool) -> str:
    rules, names = [], []
    for number, tool in enumerate(tools):
        names.append(f"call_{number}")
        between = _literal(form.between, marks)
        rules.append(f"call_{number}: {json.dumps(tool.name)} {between} arguments_{number}")
        rules.append(f"arguments_{number}: %json {_json(_as_object(json.loads(tool.parameters)))}")
    more = f" ({_literal(form.following, marks)} call)*" if several else ""
    closing = _literal(form.closing, marks)
    return "\n".join([f"calls: call{more} {closing}", f"call: {' | '.join(names)}", *rules, ""])


# With one of these an object's properties may be named elsewhere.
_ELSEWHERE = frozenset({"$ref", "additionalProperties", "allOf", "anyOf", "oneOf", "patternProperties"})


def _as_object(schema: dict[str, Any]) -> dict[str, Any]:
    """Arguments are an object, whether the schema says so or not, and have no others than it names: what a function
    does not know is of no use to it, and a small model that may add properties does not come to an end."""
    schema = schema if "type" in schema or "$ref" in schema else {"type": "object", **schema}
    return schema if _ELSEWHERE & schema.keys() else {**schema, "additionalProperties": False}


def _json(schema: dict[str, Any]) -> str:
    return json.dumps({**schema, "x-guidance": {"whitespace_pattern": JSON_SPACE}}, ensure_ascii=False)


def _literal(text: str, marks: Mapping[str, int]) -> str:
    """A text as symbols: control tokens by their ids, the rest as it stands."""
    pieces = re.split(f"({'|'.join(map(re.escape, marks))})", text) if marks else [text]
    return " ".join(f"<[{marks[one]}]>" if one in marks else json.dumps(one) for one in pieces if one)


def _regex(text: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else rf"\x{{{ord(c):x}}}" for c in text)


def tool_info(template: ChatTemplate, special_ids: Mapping[str, int]) -> dict[str, Any] | None:
    """How a model writes calls, as plain data for another process; None if it has no tools.

    ``marks`` are ids of the control tokens in the form, which have no text in an answer.
    """
    form = template.call_form
    if form is None:
        return None
    literals = (form.opening, form.between, form.closing, form.following)
    marks = {text: number for text, number in special_ids.items() if text and any(text in one for one in literals)}
    return {"form": asdict(form), "marks": marks}
