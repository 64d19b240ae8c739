"""Texts as comparisons see them: words, and single characters of scripts that write no spaces."""

from __future__ import annotations

import re
import unicodedata

# Han, kana, Hangul and Thai characters are units of their own; of everything else, runs of letters and digits.
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\u0e00-\u0e7f\U00020000-\U0003ffff"
_UNIT = re.compile(rf"[{_ALONE}]|[^\W_{_ALONE}]+")


def normalised(text: str) -> str:
    """The text without what makes no difference: width and case of characters."""
    return unicodedata.normalize("NFKC", text).casefold()


def units(text: str) -> list[str]:
    """The words of a text, or its characters where words are not told apart; punctuation is passed over."""
    return _UNIT.findall(normalised(text))


def plain(text: str) -> str:
    """All units of a text in one line: equal for texts that differ in case, width, spaces and punctuation only."""
    return " ".join(units(text))
