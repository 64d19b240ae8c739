"""Prompt sets: one's own prompts with variables, tags, and what counts as a right answer."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import DocumentError, RequestRefusedError
from multi_llm_comparator.core.image_data import image_bytes, media_type
from multi_llm_comparator.core.plain_errors import said_of

MAX_ROWS = 10_000
MAX_PROMPT_CHARS = 100_000
MAX_EXPECTED_CHARS = 20_000
MAX_VARIABLES, MAX_VALUE_CHARS = 50, 50_000
MAX_TAGS, MAX_TAG_CHARS = 20, 64
MAX_NAME_CHARS = 100
MAX_ROW_IMAGES = 8
# All texts of a set together: it is copied into each run that asks it.
MAX_SET_CHARS = 8_000_000
# How an answer is compared with what is expected. "none" collects answers for people to look at.
# "choice" offers the row's variables A, B, C, ... and takes the likeliest, as published tasks do.
Comparison = Literal["none", "exact", "numeric", "contains", "regex", "json_schema", "choice", "judged"]
COMPARISONS: tuple[Comparison, ...] = (
    "none",
    "exact",
    "numeric",
    "contains",
    "regex",
    "json_schema",
    "choice",
    "judged",
)
NEEDS_EXPECTED = frozenset({"exact", "numeric", "contains", "regex", "json_schema", "choice"})
LETTERS = "ABCDEFGHIJ"
_VARIABLE = re.compile(r"\{\{\s*([\w.-]{1,64})\s*\}\}")


def _image(url: str) -> str:
    """Raises ValueError: it is no image that models are shown."""
    try:
        if media_type(image_bytes(url)) is not None:
            return url
    except RequestRefusedError as exc:
        raise ValueError(str(exc)) from exc
    raise ValueError("is no PNG, JPEG, WebP or GIF file")


Image = Annotated[str, AfterValidator(_image)]
Value = Annotated[str, Field(max_length=MAX_VALUE_CHARS)]
Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]
Tag = Annotated[str, Field(min_length=1, max_length=MAX_TAG_CHARS)]


class PromptRow(ClosedModel):
    """One prompt. ``{{name}}`` in it, and in what is expected, stands for the variable of that name.

    ``images`` are ``data:`` URLs that stand before the prompt. Rows of one ``cluster`` (questions on one text) are not
    counted as independent; an empty one stands for itself. What a row that is compared by ``choice`` expects is a
    letter, or the text of one of its choices.
    """

    id: Annotated[str, Field(min_length=1, max_length=64)]
    prompt: Annotated[str, Field(max_length=MAX_PROMPT_CHARS)] = ""
    variables: Annotated[dict[Name, Value], Field(max_length=MAX_VARIABLES)] = Field(default={})
    expected: Annotated[str, Field(max_length=MAX_EXPECTED_CHARS)] = ""
    compare: Comparison = "none"
    images: Annotated[tuple[Image, ...], Field(max_length=MAX_ROW_IMAGES)] = ()
    tags: Annotated[tuple[Tag, ...], Field(max_length=MAX_TAGS)] = ()
    cluster: Annotated[str, Field(max_length=64)] = ""

    @model_validator(mode="after")
    def _has_what_it_compares(self) -> PromptRow:
        if self.compare in NEEDS_EXPECTED and not self.expected.strip():
            raise ValueError(f"compares answers by {self.compare!r} and so needs something in 'expected'")
        if self.compare == "choice":
            if len(self.choices) < 2:
                raise ValueError("is a choice and so needs at least the variables A and B")
            if self.images:
                raise ValueError("is a choice, which is scored by its text alone, and has images; compare it otherwise")
            if self.right_choice is None:
                raise ValueError(f"expects {self.expected!r}, which is none of its {len(self.choices)} choices")
        return self

    @property
    def choices(self) -> tuple[str, ...]:
        """The variables A, B, C, ... up to the first that is empty."""
        return choices_in(self.variables)

    @property
    def right_choice(self) -> int | None:
        """The number of the choice that is expected; None where it is none of them."""
        return choice_named(self.expected, self.choices)

    @property
    def size_chars(self) -> int:
        return sum(map(len, (self.prompt, self.expected, *self.variables.values(), *self.images)))


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
        """What is asked: the row's prompt, or the set's, with the variables filled in; choices stand behind it in lines
        of their own, unless the prompt names them itself."""
        text = row.prompt or self.template
        asked = filled(text, row.variables)
        if row.compare != "choice" or "A" in names_in(text):
            return asked
        lines = (f"{letter}. {choice}" for letter, choice in zip(LETTERS, row.choices, strict=False))
        return "\n".join([asked.strip(), *lines, "Answer:"])

    def expected_of(self, row: PromptRow) -> str:
        """What counts as right, with the variables filled in; a JSON schema stays as it is."""
        return row.expected if row.compare == "json_schema" else filled(row.expected, row.variables)

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(sorted({tag for row in self.rows for tag in row.tags}))

    @property
    def digest(self) -> str:
        """The same for sets that ask the same: names and notes do not count."""
        text = self.model_dump_json(include={"system", "template", "rows"}, exclude={"rows": {"__all__": {"images"}}})
        # Sets without images have the digest that they always had.
        images = "".join(f"{row.id}{url}" for row in self.rows for url in row.images)
        return hashlib.sha256((text + images).encode()).hexdigest()[:16]


def choices_in(variables: Mapping[str, str]) -> tuple[str, ...]:
    """The variables A, B, C, ... up to the first that is empty."""
    return tuple(takewhile(bool, (variables.get(letter, "").strip() for letter in LETTERS)))


def choice_named(expected: str, choices: Sequence[str]) -> int | None:
    """The number of the choice that a text or a letter stands for; None for none."""
    expected = expected.strip()
    if expected in choices:
        return choices.index(expected)
    if len(expected) == 1 and expected.upper() in LETTERS[: len(choices)]:
        return LETTERS.index(expected.upper())
    return None


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
