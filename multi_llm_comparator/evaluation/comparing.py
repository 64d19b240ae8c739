"""Whether a written answer is what was expected, by one of several ways of comparing; no model is asked.

Patterns and schemas come from files of others, so each has a time limit, and none fetches anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from multi_llm_comparator.evaluation.scoring import as_number, chosen_letter, final_answer, last_number, same_answer
from multi_llm_comparator.evaluation.tasks.base import ItemScore
from multi_llm_comparator.tracking.rows import fold

How = Literal["exact", "numeric", "contains", "regex", "json_schema", "choice"]
# Longer answers are compared by their beginning and end.
MAX_COMPARED_CHARS = 100_000
MAX_PATTERN_CHARS = 2_000
PATTERN_TIMEOUT_S = 0.5
_FENCED = re.compile(r"\A```(?:json)?\s*\n(.*?)\n?```\Z", re.DOTALL)
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_BRIEF = 200


def compare(how: How, expected: str, answer: str) -> ItemScore:
    """Compare an answer with what is expected.

    Args:
        how: ``exact``: the answer, or what it ends in, is the expected text (numbers by value, case and blanks do not
            count); ``numeric``: the last number of its conclusion has the expected value; ``contains``: the expected
            text is somewhere in it, in any case; ``regex``: the pattern is found in it; ``json_schema``: it is JSON
            that the schema allows; ``choice``: the letter it chooses is the expected one.
        expected: a text, a number, a pattern or a schema.
        answer: what was written; thoughts in ``<think>`` before it do not count.
    """
    text = _THOUGHTS.sub("", answer, count=1).strip()
    if len(text) > MAX_COMPARED_CHARS:
        text = f"{text[: MAX_COMPARED_CHARS // 2]}\n{text[-MAX_COMPARED_CHARS // 2 :]}"
    return _WAYS[how](expected, text)


def _exact(expected: str, text: str) -> ItemScore:
    final = final_answer(text)
    is_right = same_answer(expected, text) or same_answer(expected, final)
    return _scored(is_right, f"is {_brief(final)!r}, expected {_brief(expected)!r}", final)


def _numeric(expected: str, text: str) -> ItemScore:
    found = last_number(final_answer(text)) or last_number(text)
    wanted, given = as_number(expected), as_number(found) if found else None
    if wanted is None:
        return _scored(False, f"the expected {_brief(expected)!r} is no number: correct the prompt set", found)
    says = f"its number is {found}" if found else "there is no number in it"
    return _scored(given == wanted, f"{says}, expected {_brief(expected)}", found)


def _contains(expected: str, text: str) -> ItemScore:
    is_right = fold(" ".join(expected.split())) in fold(" ".join(text.split()))
    return _scored(is_right, f"{_brief(expected)!r} is {'' if is_right else 'not '}in it", expected if is_right else "")


def _regex(expected: str, text: str) -> ItemScore:
    try:
        found = _search(expected, text)
    except ValueError as exc:
        return _scored(False, str(exc), "")
    says = f"matches {_brief(found)!r}" if found is not None else f"nothing in it matches {_brief(expected)}"
    return _scored(found is not None, says, found or "")


def _json_schema(expected: str, text: str) -> ItemScore:
    fenced = _FENCED.match(text)
    try:
        value = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError) as exc:
        return _scored(False, f"is not JSON: {_brief(str(exc))}", "")
    problem = _problem_with(value, expected)
    return _scored(problem is None, problem or "is JSON as the schema wants it", _brief(json.dumps(value)))


def _choice(expected: str, text: str) -> ItemScore:
    letter = chosen_letter(final_answer(text)) or chosen_letter(text) or ""
    return _scored(
        letter == expected.strip().upper(), f"chose {letter or 'nothing'}, right is {expected.strip()}", letter
    )


_WAYS: Mapping[How, Callable[[str, str], ItemScore]] = {
    "exact": _exact,
    "numeric": _numeric,
    "contains": _contains,
    "regex": _regex,
    "json_schema": _json_schema,
    "choice": _choice,
}


def pattern_problem(pattern: str) -> str | None:
    """Why a pattern cannot be used; None if it can."""
    try:
        _search(pattern, "")
    except ValueError as exc:
        return str(exc)
    return None


def schema_problem(schema: str) -> str | None:
    """Why a JSON schema cannot be used; None if it can."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        Draft202012Validator.check_schema(json.loads(schema))
    except (ValueError, RecursionError) as exc:
        return f"the schema is not JSON: {exc}"
    except SchemaError as exc:
        return f"the schema is none: {_brief(exc.message)}"
    return None


def _search(pattern: str, text: str) -> str | None:
    """What a pattern finds. Raises ValueError: it is none, is too long, or takes too much time."""
    import regex

    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError(f"the pattern has {len(pattern)} characters; at most {MAX_PATTERN_CHARS} are used")
    try:
        found = regex.search(pattern, text, timeout=PATTERN_TIMEOUT_S, concurrent=True)
    except regex.error as exc:
        raise ValueError(f"{_brief(pattern)!r} is no pattern: {exc}") from exc
    except TimeoutError as exc:
        raise ValueError(f"looking for {_brief(pattern)!r} took more than {PATTERN_TIMEOUT_S} s") from exc
    return None if found is None else str(found[0])


def _problem_with(value: Any, schema: str) -> str | None:
    """The first thing about a value that a schema does not allow."""
    if problem := schema_problem(schema):
        return f"{problem}: correct the prompt set"
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    validator = extend(Draft202012Validator, {"pattern": _pattern_within_time, "patternProperties": _no_patterns})
    try:
        # A registry of its own: the usual one fetches what a schema refers to.
        error = next(iter(validator(json.loads(schema), registry=Registry()).iter_errors(value)), None)
    except (Unresolvable, RecursionError, ValueError) as exc:
        return f"the schema cannot be used: {_brief(str(exc))}"
    return None if error is None else _brief(f"{error.json_path}: {error.message}")


def _pattern_within_time(validator: Any, pattern: Any, instance: Any, schema: Any) -> Any:
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and _search(str(pattern), instance) is None:
        yield ValidationError(f"{_brief(instance)!r} does not match {_brief(str(pattern))!r}")


def _no_patterns(validator: Any, patterns: Any, instance: Any, schema: Any) -> Any:
    raise ValueError("'patternProperties' is not used here; name the properties")


def _scored(is_right: bool, reason: str, extracted: str) -> ItemScore:
    return ItemScore(value=float(is_right), correct=is_right, reason=reason, extracted=_brief(extracted))


def _brief(text: str) -> str:
    return text if len(text) <= _BRIEF else f"{text[: _BRIEF - 1]}…"
