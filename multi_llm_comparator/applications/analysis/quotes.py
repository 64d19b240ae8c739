"""Whether a quote stands in a text, whatever became of its spaces, its signs and its case."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Shorter ones are found everywhere, and show nothing.
MIN_CHARS, MIN_CJK_CHARS = 8, 4
_ELLIPSIS = re.compile(r"\s*(?:\.{3,}|…+)\s*")


@dataclass(frozen=True, slots=True)
class Found:
    """The piece in which a quote begins, and what stands there, as it stands."""

    piece: int
    quote: str


class Haystack:
    """The pieces of a document, or of a part of it, made ready for looking quotes up.

    Args:
        numbers: of the pieces, in the document.
        texts: their texts.
    """

    def __init__(self, numbers: Sequence[int], texts: Sequence[str]) -> None:
        self._numbers, self._texts = tuple(numbers), tuple(texts)
        plain: list[str] = []
        # Of each plain character: the piece, and its place there.
        self._origins: list[tuple[int, int]] = []
        for at, text in enumerate(self._texts):
            for place, character in enumerate(text):
                for one in _plain(character):
                    plain.append(one)
                    self._origins.append((at, place))
        self._plain = "".join(plain)

    def find(self, quote: str) -> Found | None:
        """Where a quote stands; parts between dots (``...``) must follow each other within one piece or the next."""
        parts = [part for part in _ELLIPSIS.split(quote.strip().strip("\"'“”‘’「」『』")) if _plain(part)]
        if not parts or max(map(_weight, parts)) < MIN_CHARS:
            return None
        start, end = -1, 0
        for part in parts:
            at = self._plain.find(_plain(part), end)
            if at < 0:
                return None
            start = at if start < 0 else start
            end = at + len(_plain(part))
        first, last = self._origins[start], self._origins[end - 1]
        if last[0] - first[0] > 1:
            return None
        return Found(self._numbers[first[0]], self._original(first, last))

    def _original(self, first: tuple[int, int], last: tuple[int, int]) -> str:
        if first[0] == last[0]:
            return self._texts[first[0]][first[1] : last[1] + 1]
        return f"{self._texts[first[0]][first[1] :]} {self._texts[last[0]][: last[1] + 1]}"


def _plain(text: str) -> str:
    """Letters and digits alone, without case and width; a percent sign and a decimal point make a difference."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum() or c in "%.")


def _weight(text: str) -> int:
    """The length of a text in which a Chinese character counts as two."""
    return sum(2 if "\u3000" <= c <= "\u9fff" else 1 for c in _plain(text))
