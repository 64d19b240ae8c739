"""Where a service asks its questions: answers that are there already are not asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question. With ``schema`` the answer is JSON of that form, where the model can be held to it; ``images`` are
    ``data:`` URLs of what it is about."""

    prompt: str
    system: str = ""
    max_tokens: int = 400
    schema: Mapping[str, Any] | None = None
    images: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, or why there is none. ``is_free``: it was not held to the form that was asked for."""

    text: str = ""
    error: str = ""
    error_type: str = ""
    is_cut: bool = False
    is_free: bool = False

    @property
    def is_answer(self) -> bool:
        return not self.error_type


class Desk(Protocol):
    """Who answers a service's questions."""

    @property
    def has_model(self) -> bool:
        """Whether anybody is asked at all."""

    @property
    def prompt_tokens(self) -> int:
        """The most that a prompt may have."""

    def expect(self, questions: int) -> None:
        """So many more questions are coming: for how long it takes."""

    async def tokens_of(self, text: str) -> int:
        """How many tokens the model reads in a text; an estimate where nobody can tell."""

    async def ask(self, key: str, question: Question) -> Reply:
        """The answer to a question. ``key`` is its name in the run: one that was answered before is not asked again."""


# Characters of a token: of Latin text, and tokens of a Chinese character, for models that know Chinese little.
_CHARS_PER_TOKEN, _TOKENS_PER_CJK = 3.2, 1.8


def estimated_tokens(text: str) -> int:
    """Rather too many than too few: by the characters, of which Chinese ones take more."""
    cjk = sum("\u3000" <= character <= "\u9fff" or "\uac00" <= character <= "\uffef" for character in text)
    return 1 + round(cjk * _TOKENS_PER_CJK + (len(text) - cjk) / _CHARS_PER_TOKEN)
