"""Whether what a model wrote can be shown at all, and how what was struck out of it is said."""

from __future__ import annotations

import re
from collections.abc import Sequence

from multi_llm_comparator.applications.reading.pieces import count_words, language_of
from multi_llm_comparator.core.readable import Language, cut_line

MIN_CHARS = 20
_RUN = 8
_SENTENCE = re.compile(r"[^。！？!?\n.]*(?:\.(?=\S)[^。！？!?\n.]*)*(?:[。！？!?.\n]+[\s\]\[\d]*|$)")
_ENDS = (".", "!", "?", "。", "！", "？", "]", ")", "）")


def is_readable(text: str, language: Language) -> bool:
    """Whether a text is long enough, in the language that was asked for, and not the same words again and again."""
    return len(text.strip()) >= MIN_CHARS and language_of(text) == language and not repeats(text)


def finished(text: str) -> str:
    """A text without its last sentence, if that was cut, and without sentences that were there before."""
    seen: set[str] = set()
    kept: list[str] = []
    for match in _SENTENCE.finditer(text.strip()):
        sentence = match[0]
        plain = re.sub(r"\[\d+\]|\s", "", sentence).lower()
        if plain in seen:
            continue
        seen.add(plain)
        kept.append(sentence)
    while len(kept) > 1 and not kept[-1].rstrip().endswith(_ENDS):
        kept.pop()
    return "".join(kept).strip()


def repeats(text: str) -> bool:
    """Whether a small model has run into a circle."""
    words = text.split() if count_words(text) <= 2 * len(text.split()) else list(text)
    runs = [tuple(words[at : at + _RUN]) for at in range(len(words) - _RUN + 1)]
    return len(runs) > 20 and len(set(runs)) < 0.6 * len(runs)


def summed_numbers(struck: Sequence[str]) -> dict[str, str | int | float]:
    """Of a remark: how many numbers were struck out, and which."""
    return {"n": len(struck), "numbers": cut_line(", ".join(struck), 300)}
