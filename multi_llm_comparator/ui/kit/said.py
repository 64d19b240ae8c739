"""What engines and the gateway say, in the reader's language.

They say it in English, wherever it is read: in logs, files, answers of the API. A page shows it in Chinese where
``locales/said.zh.yaml`` has the sentence.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from multi_llm_comparator.core.bounded_yaml import parse_yaml
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.ui.kit.i18n import current_language

# What is longer is an endpoint's own text, not a sentence of ours.
MAX_CHARS = 1000
_PLACE = re.compile(r"\{(\d)\}")


def said(text: str) -> str:
    """A message in the current language, or as it is where no translation is known."""
    language = current_language()
    return text if language == "en" else translated(text, language)


def translated(text: str, language: Language) -> str:
    """A message in ``language``; what was filled into it is looked up too."""
    if len(text) > MAX_CHARS:
        return text
    for pattern, sentence in _sentences(language):
        if found := pattern.fullmatch(text):
            parts = [translated(part, language) for part in found.groups()]
            return _PLACE.sub(lambda place, parts=parts: parts[int(place[1]) - 1], sentence)  # type: ignore[misc]
    return text


@cache
def _sentences(language: str) -> tuple[tuple[re.Pattern[str], str], ...]:
    """Those that say most come first: one that is mostly filled in would match the others."""
    pairs = sorted(read(language).items(), key=lambda pair: -len(_PLACE.sub("", pair[0])))
    return tuple((_pattern(english), sentence) for english, sentence in pairs)


@cache
def read(language: str) -> dict[str, str]:
    """Sentences of a language, by the English ones."""
    file = Path(__file__).parent / "locales" / f"said.{language}.yaml"
    return {entry["en"]: entry[language] for entry in parse_yaml(file.read_bytes())}


def _pattern(english: str) -> re.Pattern[str]:
    literal = re.split(r"\{\d\}", english)
    return re.compile("(.*?)".join(re.escape(piece) for piece in literal), re.DOTALL)
