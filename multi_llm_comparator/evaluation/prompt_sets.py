"""Prompt sets: one's own prompts with variables, tags, and what counts as a right answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.plain_errors import said_of

MAX_ROWS = 10_000
MAX_PROMPT_CHARS = 100_000
MAX_EXPECTED_CHARS = 20_000
MAX_VARIABLES, MAX_VALUE_CHARS = 50, 50_000
MAX_TAGS, MAX_TAG_CHARS = 20, 64
MAX_NAME_CHARS = 100
# All texts of a set together: it is copied into each run that asks it.
MAX_SET_CHARS = 8_000_000
# How an answer is compared with what is expected. "none" collects answers for people to look at.
Comparison = Literal["none", "exact", "numeric", "contains", "regex", "json_schema", "judged"]
COMPARISONS: tuple[Comparison, ...] = ("none", "exact", "numeric", "contains", "regex", "json_schema", "judged")
NEEDS_EXPECTED = frozenset({"exact", "numeric", "contains", "regex", "json_schema"})
_VARIABLE = re.compile(r"\{\{\s*([\w.-]{1,64})\s*\}\}")

Value = Annotated[str, Field(max_length=MAX_VALUE_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]
Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG_CHARS)]


class PromptRow(ClosedModel):
    """One prompt. ``{{name}}`` in it, and in what is expected, stands for the variable of that name.

    Rows of one ``cluster`` (questions on one text) are not counted as independent; an empty one stands for itself.
    """

    id: Annotated[str, Field(min_length=1, max_length=64)]
    prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)] = ""
    variables: Annotated[dict[Name, Value], Field(max_length=MAX_VARIABLES)] = Field(default={})
    expected: Annotated[str, Field(max_length=MAX_EXPECTED_CHARS)] = ""
    compare: Comparison = "none"
    tags: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] = ()
    cluster: Annotated[str, Field(max_length=64)] = ""

    @model_validator(mode="after")
    def _has_what_it_compares(self) -> PromptRow:
        if self.compare in NEEDS_EXPECTED and not self.expected.strip():
            raise ValueError(f"compares answers by {self.compare!r} and so needs something in 'expected'")
        return self

    @property
    def size_chars(self) -> int:
        return len(self.prompt) + len(self.expected) + sum(map(len, self.variables.values()))


class PromptSet(ClosedModel):
    """Rows under a name. ``template`` is the prompt of rows that have none of their own; ``system`` goes before each.

    Raises:
        ValidationError: two rows of one id, a row without a prompt, a variable without a value, or more than fits.
    """

    id: Annotated[str, Field(max_length=32, pattern=r"^[a-z0-9]*$")] = ""
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]
    note: Annotated[str, Field(max_length=2000)] = ""
    system: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)] = ""
    template: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)] = ""
    rows: Annotated[tuple[PromptRow, ...], Field(min_length=1, max_length=MAX_ROWS)]

    @model_validator(mode="after")
    def _is_whole(self) -> PromptSet:
        seen: set[str] = set()
        for number, row in enumerate(self.rows, 1):
            if row.id in seen:
                raise ValueError(f"two rows have the id {row.id!r}; give each its own")
            seen.add(row.id)
            text = row.prompt or self.template
            if not text.strip():
                raise ValueError(f"row {number} ({row.id!r}) has no prompt, and the set has no template")
            if missing := sorted(names_in(text) - row.variables.keys()):
                raise ValueError(f"row {number} ({row.id!r}) has no value for {{{{{missing[0]}}}}}")
        if (size := sum(row.size_chars for row in self.rows)) > MAX_SET_CHARS:
            raise ValueError(f"the set has {size} characters; at most {MAX_SET_CHARS} fit")
        return self

    def prompt_of(self, row: PromptRow) -> str:
        """What is asked: the row's prompt, or the set's, with the variables filled in."""
        return filled(row.prompt or self.template, row.variables)

    def expected_of(self, row: PromptRow) -> str:
        """What counts as right, with the variables filled in; a JSON schema stays as it is."""
        return row.expected if row.compare == "json_schema" else filled(row.expected, row.variables)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted({tag for row in self.rows for tag in row.tags}))

    @property
    def digest(self) -> str:
        """The same for sets that ask the same: names and notes do not count."""
        text = self.model_dump_json(include={"system", "template", "rows"})
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def names_in(text: str) -> set[str]:
    """The ``{{names}}`` in a text."""
    return set(_VARIABLE.findall(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with each ``{{name}}`` replaced by its value, once: what a value brings in is left as it is. Unknown
    names stay."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), text)


def checked_set(what: str, **fields: object) -> PromptSet:
    """Build a set from plain data.

    Raises:
        DocumentError: the first thing that is wrong with it; ``what`` names it.
    """
    try:
        return PromptSet.model_validate(fields)
    except ValidationError as exc:
        raise DocumentError(f"{what}: {said_of(exc, first=1)}") from exc
