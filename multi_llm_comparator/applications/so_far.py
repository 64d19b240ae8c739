"""An answer that is still being written, as a person reads it: of JSON only what stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pydantic_core

from multi_llm_comparator.core.timings import AnswerState

# Readers ask several times a second; an endpoint can write at any length.
MAX_CHARS = 20_000
_FENCE = re.compile(r"\s*```\w*\s*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """An answer on its way: to the question that is called ``key`` in its run, asked ``for_s`` seconds ago. ``tokens``
    are all that were generated, thoughts too; ``text`` is its beginning."""

    key: str
    state: AnswerState
    for_s: float
    tokens: int
    text: str

    @property
    def lines(self) -> list[str]:
        """What it says so far; of JSON one line for each object. Empty where nothing can be read yet."""
        text = _FENCE.sub("", self.text, count=1) if _FENCE.match(self.text) else self.text.strip()
        if not text.startswith(("{", "[")):
            return [line for line in map(str.strip, text.splitlines()) if line]
        try:
            return list(filter(None, _lines(pydantic_core.from_json(text, allow_partial="trailing-strings"))))
        except ValueError:
            # It is no JSON.
            return []


def _lines(value: object) -> Iterator[str]:
    match value:
        case list():
            for one in value:
                yield from _lines(one)
        case dict():
            # Kinds are words of the form that was asked for, not of the answer.
            said = [_said(name, one) for name, one in value.items() if name != "kind"]
            yield " · ".join(filter(None, said))
            for one in value.values():
                if isinstance(one, list | dict):
                    yield from _lines(one)
        case _:
            yield _said("", value)


def _said(name: str, value: object) -> str:
    match value:
        case str():
            text = " ".join(value.split())
            return f"“{text}”" if text and name == "quote" else text
        case int() | float() if not isinstance(value, bool):
            return str(value)
    return ""
