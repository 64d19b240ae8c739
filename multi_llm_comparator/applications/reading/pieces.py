"""What a document is once it is read: pieces of text and tables, each with its place."""

from __future__ import annotations

import re

from pydantic import Field

from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.readable import Language

# A Chinese, Japanese or Korean character counts as a word, as word processors do it.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+(?:['’.,-]\w+)*"
)
_CJK = re.compile(r"[\u3400-\u9fff]")


class Place(ClosedModel):
    """Where a piece stands: counted from 1, None where there is no such thing. ``row`` is a table's or a sheet's."""

    page: int | None = None
    paragraph: int | None = None
    heading: str = ""
    sheet: str = ""
    row: int | None = None

    def words(self, language: Language = "en") -> str:
        """``page 3, paragraph 2``; ``sheet 'Sales', row 7``; in Chinese ``第 3 页第 2 段``."""
        if language == "zh":
            parts = [
                f"工作表“{self.sheet}”" if self.sheet else "",
                f"第 {self.page} 页" if self.page else "",
                f"第 {self.paragraph} 段" if self.paragraph else "",
                f"第 {self.row} 行" if self.row else "",
            ]
            return "".join(parts) or "全文"
        parts = [
            f"sheet {self.sheet!r}" if self.sheet else "",
            f"page {self.page}" if self.page else "",
            f"paragraph {self.paragraph}" if self.paragraph else "",
            f"row {self.row}" if self.row else "",
        ]
        return ", ".join(filter(None, parts)) or "the whole text"


class Piece(ClosedModel):
    """A paragraph, a list item, or a row of a table."""

    text: str
    place: Place = Place()


class Remark(ClosedModel):
    """Something a reader should know of how a result came about; :mod:`applications.words` has the sentences."""

    code: str
    values: dict[str, str | int | float] = Field(default={})


class Reading(ClosedModel):
    """A document as it was read. ``pages`` is None where the format has none; ``words`` counts all of its text."""

    name: str = ""
    format: str = "text"
    pieces: tuple[Piece, ...] = ()
    pages: int | None = None
    words: int = 0
    remarks: tuple[Remark, ...] = Field(default=())

    @property
    def text(self) -> str:
        return "\n".join(piece.text for piece in self.pieces)


def count_words(text: str) -> int:
    """Words of a text; each Chinese, Japanese or Korean character is one."""
    return sum(1 for _ in _WORD.finditer(text))


def language_of(text: str) -> Language:
    """Chinese where at least a fifth of the words are Chinese characters, else English."""
    sample = text[:20_000]
    return "zh" if len(_CJK.findall(sample)) >= 0.2 * max(1, count_words(sample)) else "en"
