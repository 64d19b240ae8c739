"""What pydantic finds wrong in data that a person or a program gave, in words for who has to correct it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from multi_llm_comparator.core.exceptions import ConfigurationError

_NAMES_AND_VALUES = "must hold names and values, indented below it"
_LIST = "must be a list, such as [first, second]"
_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_YES_OR_NO = "must be true or false"

MAX_PROBLEMS = 20
MAX_PROBLEM_CHARS = 600
# What is wrong, in words or as what finds the words: of thousands of problems only the first are put into any.
Problem = str | Callable[[], str]

# By pydantic's name for each kind of error; what stands in braces comes with the error.
_WORDS = {
    "missing": "is missing; give it",
    "dict_type": _NAMES_AND_VALUES,
    "model_type": _NAMES_AND_VALUES,
    "model_attributes_type": _NAMES_AND_VALUES,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "string_type": "must be text; put it in quotes",
    "string_unicode": "must be readable as text; rename what it names",
    "too_long": "may have at most {max_length} entries",
    "string_too_long": "is longer than {max_length} characters; shorten it",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": _NUMBER,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "greater_than": "must be more than {gt:.12g}",
    "greater_than_equal": "must be at least {ge:.12g}",
    "less_than": "must be less than {lt:.12g}",
    "less_than_equal": "must be at most {le:.12g}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "extra_forbidden": "is not known here; leave it out",
}

M = TypeVar("M", bound=BaseModel)


def checked(form: type[M], fields: Mapping[str, Any]) -> M:
    """Build data of fields as a caller gives them. Raises ConfigurationError: the first thing that is wrong."""
    try:
        return form.model_validate(fields)
    except ValidationError as exc:
        raise ConfigurationError(said_of(exc)) from exc


def said_of(exc: ValidationError, most: int = 1, *, whole: str = "", first: int = 0) -> str:
    """What is wrong, each with its place: ``members.0.target: is missing; give it``.

    Args:
        exc: what pydantic found.
        most: so many problems are told, with semicolons between.
        whole: what all of the data is called, for a problem that has no place in it.
        first: the number of the first entry of a list.
    """
    said = []
    for error in exc.errors(include_url=False, include_input=False)[:most]:
        place = ".".join(str(part + first if isinstance(part, int) else part) for part in error["loc"])[:80] or whole
        said.append(f"{place}: {in_plain_words(error)}" if place else in_plain_words(error))
    return "; ".join(said)


def first_of(problems: Sequence[Problem], source: str) -> str:
    """The first ``MAX_PROBLEMS``, a line each that begins with ``source``, and how many more there are."""
    said = [problem if isinstance(problem, str) else problem() for problem in problems[:MAX_PROBLEMS]]
    lines = [line if len(line) <= MAX_PROBLEM_CHARS else f"{line[:MAX_PROBLEM_CHARS]}…" for line in said]
    more = len(problems) - len(lines)
    return "\n".join(f"{source}: {line}" for line in [*lines, *([f"... and {more} more"] if more > 0 else [])])


def in_plain_words(error: Mapping[str, Any], patterns: Mapping[str, str] | None = None) -> str:
    """What is wrong with one value, without its place.

    Args:
        error: one of ``ValidationError.errors()``.
        patterns: what text must be like, by the regular expression that it failed.
    """
    kind, context = str(error["type"]), error.get("ctx") or {}
    if kind in ("too_short", "string_too_short"):
        return _too_few(kind, int(context["min_length"]))
    if kind == "string_pattern_mismatch" and (wanted := (patterns or {}).get(str(context["pattern"]))):
        return f"must be {wanted}"
    if kind in _WORDS:
        return _WORDS[kind].format(**context)
    return str(error["msg"]).removeprefix("Value error, ")


def _too_few(kind: str, least: int) -> str:
    if kind == "string_too_short":
        return "must not be empty" if least == 1 else f"needs at least {least} characters"
    return "is empty; give at least one entry" if least == 1 else f"needs at least {least} entries"
