"""Pieces as they are found, within bounds; what is left out is counted and said."""

from __future__ import annotations

from multi_llm_comparator.applications.reading.bounds import MAX_PIECE_CHARS, MAX_PIECES, MAX_TEXT_CHARS
from multi_llm_comparator.applications.reading.pieces import Piece, Place, Reading, Remark, count_words

MAX_HEADING_CHARS = 120


class Collector:
    """Gathers the pieces of one document. Paragraphs are counted anew on each page, where there are pages."""

    def __init__(self, name: str, format: str) -> None:
        self.name, self.format = name, format
        self.pages: int | None = None
        self.heading = ""
        self._page: int | None = None
        self._paragraph = 0
        self._pieces: list[Piece] = []
        self._remarks: list[Remark] = []
        self._chars = self._words = self._left_out = 0

    def begin_page(self, page: int) -> None:
        self._page, self._paragraph = page, 0

    def head(self, text: str) -> None:
        """A heading: a paragraph of its own, and the place of what follows."""
        self.heading = " ".join(text.split())[:MAX_HEADING_CHARS]
        self.add(text)

    def add(self, text: str) -> None:
        """One paragraph; a very long one becomes several pieces of one place."""
        text = text.strip()
        if not text:
            return
        self._paragraph += 1
        place = Place(page=self._page, paragraph=self._paragraph, heading=self.heading)
        for start in range(0, len(text), MAX_PIECE_CHARS):
            self._put(Piece(text=text[start : start + MAX_PIECE_CHARS], place=place))

    def add_row(self, text: str, *, sheet: str, row: int) -> None:
        """A row of a table, counted from 1 as its file counts."""
        if text.strip():
            place = Place(page=self._page, heading=self.heading, sheet=sheet, row=row)
            self._put(Piece(text=text.strip()[:MAX_PIECE_CHARS], place=place))

    def remark(self, code: str, **values: str | int | float) -> None:
        self._remarks.append(Remark(code=code, values=values))

    @property
    def is_full(self) -> bool:
        return self._chars >= MAX_TEXT_CHARS or len(self._pieces) >= MAX_PIECES

    @property
    def chars(self) -> int:
        return self._chars

    def reading(self) -> Reading:
        if self._left_out:
            self.remark("text_left_out", words=self._left_out)
        return Reading(
            name=self.name,
            format=self.format,
            pieces=tuple(self._pieces),
            pages=self.pages,
            words=self._words + self._left_out,
            remarks=tuple(self._remarks),
        )

    def _put(self, piece: Piece) -> None:
        words = count_words(piece.text)
        if self.is_full:
            self._left_out += words
            return
        self._pieces.append(piece)
        self._chars += len(piece.text)
        self._words += words
