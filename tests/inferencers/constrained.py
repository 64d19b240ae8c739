"""Constraints that tests of several files use, and requests under them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from multi_llm_comparator.core.constraints import Constraint
from multi_llm_comparator.core.requests import GenerationRequest
from tests.support.requests import greedy

YES_NO = Constraint(choices=("yes", "no"))
DIGITS = Constraint(regex=r"\([0-9]+\)")
CLOSING = replace(DIGITS, closers=(")",), reserve=3)
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 6},
        "age": {"type": "integer", "minimum": 0, "maximum": 130},
        "tags": {"type": "array", "items": {"enum": ["rot", "grün", "🙂"]}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


def under(constraint: Constraint, text: str = "hello", **config: Any) -> GenerationRequest:
    return replace(greedy(text, **config), constraint=constraint)


WRONG = {
    "text without an end": Constraint(lark='start: "a'),
    "a missing rule": Constraint(lark="start: missing"),
    "no first rule": Constraint(lark='other: "a"'),
    "open parentheses": Constraint(lark="start: " + "(" * 100_000),
    "no sense": Constraint(lark="start: %%%"),
    "a text without end": Constraint(lark="start: A\nA: A A"),
    "an open set": Constraint(regex="["),
    "a look-ahead": Constraint(regex="a(?=b)"),
    "a reference back": Constraint(regex=r"(a)\1"),
    "nested repetitions": Constraint(regex="(" * 2_000 + "a" + ")*" * 2_000),
    "an unknown word": Constraint.of_schema({"type": "object", "unevaluatedProperties": False}),
    "another place": Constraint.of_schema({"$ref": "https://example.org/schema.json"}),
    "no type": Constraint.of_schema({"type": "horse"}),
    "a product": Constraint.of_schema(
        {"allOf": [{"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(40)]}
    ),
    "many patterns": Constraint.of_schema({"type": "string", "allOf": [{"pattern": f"a{n}"} for n in range(100)]}),
    "rules one by one": Constraint(
        lark="start: r0\n" + "".join(f"r{n}: r{n + 1}\n" for n in range(9_000)) + 'r9000: "a"'
    ),
    "a pattern": Constraint.of_schema({"type": "string", "pattern": "(?!a)"}),
    "a special token that is not there": Constraint(lark="start: <|nothing_of_that_name|>"),
}
