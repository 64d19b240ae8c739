"""What an answer may look like."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from multi_llm_comparator.core.exceptions import InvalidParameterError

MAX_CHARACTERS = 256 * 1024
MAX_CHOICES = 1024
MAX_CLOSERS = 16
# Between the signs of JSON: one space, or a new line and what it is indented by. Without a bound a model that likes
# spaces writes nothing else.
JSON_SPACE = r" |\n {0,8}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """The texts that an answer may be, given in exactly one of four ways:

    ``regex``: all of the answer matches it (Rust's syntax: no look-around, no references back);
    ``lark``: a grammar whose first rule is ``start``, in llguidance's form of Lark (its ``docs/syntax.md``);
    ``json_schema``: the text of a JSON schema (llguidance's ``docs/json_schema.md`` lists what it knows);
    ``choices``: the answer is one of these texts.

    Whether a model can be held to it shows when the model is asked: then a GrammarError says what is wrong and where.

    ``gbnf`` is the same in llama.cpp's notation, for endpoints that read no other; local models never need it.
    ``closers`` are texts that lead to the end, best first: when ``reserve`` tokens are left, what begins with one of
    them is taken wherever it may follow, so that the answer ends whole. It then ends for its length all the same.

    Raises:
        InvalidParameterError: none of the four or several, something empty, beyond its bound or no text, or a schema
            that is not JSON.
    """

    regex: str | None = None
    lark: str | None = None
    json_schema: str | None = None
    choices: tuple[str, ...] = ()
    gbnf: str | None = None
    closers: tuple[str, ...] = ()
    reserve: int = 0

    def __post_init__(self) -> None:
        if sum((self.regex is not None, self.lark is not None, self.json_schema is not None, bool(self.choices))) != 1:
            raise InvalidParameterError("a constraint is exactly one of regex, lark, json_schema and choices")
        for name in ("regex", "lark", "json_schema", "gbnf"):
            if (text := getattr(self, name)) is not None:
                _check_texts(f"a constraint's {name}", (text,), 1)
        _check_texts("a constraint's choices", self.choices, MAX_CHOICES)
        _check_texts("a constraint's closers", self.closers, MAX_CLOSERS)
        if self.reserve < 0:
            raise InvalidParameterError(f"a constraint's reserve must be 0 tokens or more, not {self.reserve!r}")
        if self.json_schema is not None:
            _check_schema(self.json_schema)

    @classmethod
    def of_schema(cls, schema: Mapping[str, Any]) -> Constraint:
        """An answer in JSON, as ``schema`` describes it; properties are written in the schema's order.

        Raises:
            InvalidParameterError: it cannot be written as JSON, or is too large.
        """
        try:
            text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as exc:
            raise InvalidParameterError(f"a constraint's schema must be plain JSON data: {exc}") from exc
        return cls(json_schema=text)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Constraint:
        return cls(**{**data, "choices": tuple(data["choices"]), "closers": tuple(data["closers"])})


def _check_texts(what: str, texts: tuple[str, ...], most: int) -> None:
    if len(texts) > most or not all(texts):
        raise InvalidParameterError(f"{what} must be at most {most} texts, none of them empty, not {len(texts)}")
    if (size := sum(map(len, texts))) > MAX_CHARACTERS:
        raise InvalidParameterError(f"{what} must have at most {MAX_CHARACTERS} characters, not {size}")
    try:
        "".join(texts).encode()
    except UnicodeEncodeError as exc:
        raise InvalidParameterError(f"{what} must be text in whole characters: {exc}") from exc


def _check_schema(text: str) -> None:
    try:
        schema = json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise InvalidParameterError("a constraint's JSON schema is nested too deep") from exc
    except ValueError as exc:
        raise InvalidParameterError(f"a constraint's JSON schema is not readable as JSON: {exc}") from exc
    if not isinstance(schema, dict):
        raise InvalidParameterError(f"a constraint's JSON schema must be an object, not {type(schema).__name__}")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON knows")
