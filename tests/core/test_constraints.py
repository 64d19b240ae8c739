"""A constraint is one thing, bounded, and text."""

from __future__ import annotations

from typing import Any

import pytest

from multi_llm_comparator.core.constraints import MAX_CHARACTERS, MAX_CHOICES, MAX_CLOSERS, Constraint
from multi_llm_comparator.core.exceptions import InvalidParameterError


@pytest.mark.parametrize("given", [{}, {"regex": "a", "lark": "start: /a/"}, {"choices": ("a",), "json_schema": "{}"}])
def test_it_is_exactly_one_of_four(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match="exactly one of"):
        Constraint(**given)


@pytest.mark.parametrize(
    "given",
    [
        {"regex": ""},
        {"lark": "x" * (MAX_CHARACTERS + 1)},
        {"choices": ("a", "")},
        {"choices": tuple(map(str, range(MAX_CHOICES + 1)))},
        {"choices": ("a" * MAX_CHARACTERS, "b")},
        {"regex": "a", "gbnf": ""},
        {"regex": "a", "closers": ("b",) * (MAX_CLOSERS + 1)},
        {"regex": "a", "closers": ("",)},
        {"regex": "a", "reserve": -1},
        {"regex": "\ud800"},
        {"choices": ("\udfff",)},
    ],
)
def test_it_is_bounded_text(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match="a constraint's"):
        Constraint(**given)


@pytest.mark.parametrize("schema", ["{", "[]", "3", "null", "true", '{"minimum": NaN}', "[" * 100_000])
def test_a_schema_is_json(schema: str) -> None:
    with pytest.raises(InvalidParameterError, match="schema"):
        Constraint(json_schema=schema)


@pytest.mark.parametrize("schema", [{"a": object()}, {"minimum": float("nan")}])
def test_a_schema_is_plain_data(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match="plain JSON data"):
        Constraint.of_schema(schema)


def test_a_schema_keeps_the_order_of_its_properties() -> None:
    assert Constraint.of_schema({"properties": {"b": {}, "a": {}}}).json_schema == '{"properties": {"b": {}, "a": {}}}'
