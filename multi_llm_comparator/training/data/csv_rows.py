"""Rows of CSV and TSV files, with cells that may hold line breaks."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from typing import TextIO

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data.rows import MAX_CELL_CHARS, MAX_COLUMNS, MAX_ROW_CHARS, Row

_DELIMITERS = ",;\t|"


def csv_rows(file: TextIO, name: str, *, has_heading: bool = True) -> Iterator[Row]:
    """The rows under the heading of a file that was opened with ``newline=""``.

    Args:
        file: the text.
        name: how a message calls it.
        has_heading: the first line names the columns; otherwise they are called by their numbers from 0.

    Raises:
        DocumentError: it has no heading, or names a column twice.
    """
    csv.field_size_limit(MAX_CELL_CHARS)
    first = file.readline(MAX_ROW_CHARS)
    file.seek(0)
    reader = csv.reader(_bounded(file), delimiter=_delimiter(first), strict=False)
    columns = _columns(reader, name) if has_heading else None
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            yield Row(f"row {number}", None, f"it is not CSV: {exc}")
            continue
        if not cells:
            continue
        names = columns or [str(index) for index in range(len(cells))]
        if len(cells) != len(names):
            yield Row(f"row {number}", None, f"it has {len(cells)} cells under {len(names)} columns")
        else:
            yield Row(f"row {number}", dict(zip(names, cells, strict=True)))


def _bounded(file: TextIO) -> Iterator[str]:
    """Lines, of which a longer one comes in pieces: the reader refuses what they make together."""
    # NUL ends what the csv module reads on some versions.
    return iter(lambda: file.readline(MAX_CELL_CHARS).replace("\0", "\ufffd"), "")


def _delimiter(heading: str) -> str:
    """What stands most often in the heading."""
    return max(_DELIMITERS, key=heading.count)


def _columns(reader: Iterator[Sequence[str]], name: str) -> list[str]:
    try:
        columns = [column.strip() for column in next(reader, [])]
    except csv.Error as exc:
        raise DocumentError(f"{name} has no heading that can be read: {exc}") from exc
    if not columns:
        raise DocumentError(f"{name} is empty; its first line must name the columns")
    if len(columns) > MAX_COLUMNS:
        raise DocumentError(f"{name} has {len(columns):,} columns; at most {MAX_COLUMNS:,} are read")
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        raise DocumentError(f"{name} has two columns {twice[:80]!r}; give each a name of its own")
    return columns
