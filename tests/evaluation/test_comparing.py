from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from multi_llm_comparator.evaluation.comparing import How, compare, pattern_problem, schema_problem

SCHEMA = json.dumps(
    {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}, "s": {"pattern": "^a"}}}
)


@pytest.mark.parametrize(
    ("how", "expected", "answer", "is_right"),
    [
        ("exact", "Paris", "paris.", True),
        ("exact", "Paris", "The answer is Paris.", True),
        ("exact", "1,000", "1000", True),
        ("exact", "Paris", "Paris or London", False),
        ("exact", "Paris", "<think>London?</think> Paris", True),
        ("numeric", "42", "40 + 2 = 42 in all", True),
        ("numeric", "0.5", "1/2", True),
        ("numeric", "42", "about 43", False),
        ("numeric", "42", "none", False),
        ("numeric", "many", "42", False),
        ("contains", "new york", "In  New\nYork, of course", True),
        ("contains", "Paris", "Pari", False),
        ("regex", r"\b\d{4}\b", "in 1999", True),
        ("regex", r"\b\d{4}\b", "in 99", False),
        ("regex", "(", "(", False),
        ("json_schema", SCHEMA, '{"n": 1, "s": "ab"}', True),
        ("json_schema", SCHEMA, '```json\n{"n": 1}\n```', True),
        ("json_schema", SCHEMA, '{"n": "1"}', False),
        ("json_schema", SCHEMA, '{"n": 1, "s": "b"}', False),
        ("json_schema", SCHEMA, "n is 1", False),
        ("json_schema", "{", "{}", False),
        ("choice", "B", "The answer is (B).", True),
        ("choice", "B", "A", False),
    ],
)
def test_answers_are_compared_as_was_asked(how: How, expected: str, answer: str, is_right: bool) -> None:
    found = compare(how, expected, answer)
    assert (found.correct, found.value) == (is_right, float(is_right))
    assert found.reason


@given(st.sampled_from(["exact", "numeric", "contains", "regex", "json_schema", "choice"]), st.text(), st.text())
def test_whatever_is_compared_gets_a_score(how: How, expected: str, answer: str) -> None:
    assert compare(how, expected, answer).value in (0.0, 1.0)


def test_a_comma_behind_a_number_is_not_part_of_it() -> None:
    score = compare("numeric", "7", "It is 1,007, I think, or rather 7, yes.")
    assert (score.correct, score.extracted, score.reason) == (True, "7", "its number is 7, expected 7")


def test_a_pattern_that_never_ends_is_given_up() -> None:
    found = compare("regex", r"(\w+\s?)+$(?<=b)c", "a " * 60 + "!")
    assert not found.correct


def test_a_schema_fetches_nothing() -> None:
    found = compare("json_schema", '{"$ref": "http://127.0.0.1:9/schema.json"}', "{}")
    assert (found.correct, "cannot be used" in found.reason) == (False, True)


def test_what_is_wrong_with_a_pattern_or_a_schema_is_told_before_it_is_used() -> None:
    assert pattern_problem("a+") is None
    assert "no pattern" in (pattern_problem("(") or "")
    assert schema_problem('{"type": "object"}') is None
    assert "not JSON" in (schema_problem("{") or "")
    assert "is none" in (schema_problem('{"type": "thing"}') or "")
