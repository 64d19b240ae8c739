"""CSV and XLSX: as tables of pandas, of which the first rows become text."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.applications.reading.bounds import (
    MAX_CELL_CHARS,
    MAX_CELLS,
    MAX_DATA_ROWS,
    MAX_SHEETS,
    MAX_TEXT_ROWS,
)
from multi_llm_comparator.applications.reading.collector import Collector
from multi_llm_comparator.applications.reading.formats import checked_archive, decoded
from multi_llm_comparator.core.exceptions import DocumentError

SNIFFED_CHARS = 64 * 1024
_NUMBER = re.compile(r"\s*[-+(]?[$€£¥￥]?\s*\d[\d,.\s]*%?\)?\s*")


@dataclass
class Sheet:
    """A table: ``frame`` is a pandas DataFrame, its first row stands in row ``first_row`` of the file."""

    name: str
    frame: Any
    first_row: int


def read_csv(data: bytes, found: Collector) -> list[Sheet]:
    """The table of a CSV file, whatever parts its fields.

    Raises:
        DocumentError: it is no table, or has too many rows.
    """
    import pandas as pd

    text, note = decoded(found.name, data)
    if note:
        found.remark("encoding_guessed", note=note)
    sample = text[:SNIFFED_CHARS]
    delimiter = _delimiter(sample)
    first = next(csv.reader(io.StringIO(sample), delimiter=delimiter), [])
    has_heading = not (first and all(_NUMBER.fullmatch(cell) for cell in first if cell.strip()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            frame = pd.read_csv(
                io.StringIO(text),
                sep=delimiter,
                header=0 if has_heading else None,
                skipinitialspace=True,
                on_bad_lines="warn",
                nrows=MAX_DATA_ROWS + 1,
            )
        except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, csv.Error) as exc:
            raise DocumentError(f"{found.name!r} cannot be read as CSV: {' '.join(str(exc).split())[:200]}") from exc
    bad = sum(str(one.message).count("Skipping line") for one in caught)
    if bad:
        found.remark("rows_unreadable", n=bad)
    return [checked_sheet(Sheet("", frame, 2 if has_heading else 1), found)]


def _delimiter(sample: str) -> str:
    """What parts the fields: the sign that comes equally often in most lines."""
    lines = [line for line in sample.split("\n")[:50] if line.strip()]
    best, most = ",", 0.0
    for sign in ",\t;|":
        counts = [line.count(sign) for line in lines]
        usual = max(set(counts), key=counts.count, default=0)
        share = counts.count(usual) / max(1, len(counts)) if usual else 0.0
        if share * (1 + usual / 1000) > most:
            best, most = sign, share * (1 + usual / 1000)
    return best


def read_xlsx(data: bytes, found: Collector) -> list[Sheet]:
    """The sheets of a workbook, with the values that were stored for its formulas.

    Raises:
        DocumentError: it is damaged, or has too many cells.
    """
    import openpyxl
    from lxml.etree import LxmlError
    from openpyxl.utils.exceptions import InvalidFileException

    checked_archive(found.name, data)
    sheets: list[Sheet] = []
    left = MAX_CELLS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            if len(book.worksheets) > MAX_SHEETS:
                found.remark("sheets_left_out", n=len(book.worksheets) - MAX_SHEETS)
            for sheet in book.worksheets[:MAX_SHEETS]:
                # What a file says of its size need not be true.
                sheet.reset_dimensions()
                rows, left = _bounded(sheet.iter_rows(values_only=True), left, found.name)
                sheets += _tables(sheet.title, rows)
    except (InvalidFileException, LxmlError, SyntaxError, zipfile.BadZipFile, KeyError, ValueError, TypeError) as exc:
        raise DocumentError(f"{found.name!r} is damaged: it cannot be read as a workbook ({_reason(exc)})") from exc
    except (AttributeError, IndexError, EOFError, OSError) as exc:
        raise DocumentError(f"{found.name!r} is damaged: its sheets cannot be read ({_reason(exc)})") from exc
    return [checked_sheet(sheet, found) for sheet in sheets]


def _bounded(rows: Iterable[Sequence[Any]], left: int, name: str) -> tuple[list[tuple[Any, ...]], int]:
    """Rows without the empty cells at their ends; None where a row is empty, so that rows keep their numbers."""
    kept: list[tuple[Any, ...]] = []
    for row in rows:
        cells = list(row)
        while cells and cells[-1] is None:
            cells.pop()
        left -= len(cells) + 1
        if left < 0:
            raise DocumentError(f"{name!r} has more than {MAX_CELLS:,} cells; split it")
        kept.append(tuple(cells))
    return kept, left


def _tables(title: str, rows: list[tuple[Any, ...]]) -> Iterator[Sheet]:
    """The table of a sheet: it begins at its first row with at least two cells, or with one if no row has two."""
    widths = [sum(cell is not None for cell in row) for row in rows]
    least = min(2, max(widths, default=0))
    start = next((number for number, width in enumerate(widths) if width >= least), None) if least else None
    if start is None:
        return
    yield sheet_of(title, [list(row) for row in rows[start:]], start + 1)


def sheet_of(title: str, rows: list[list[Any]], first_row: int) -> Sheet:
    """A table of rows; the first one names the columns unless it has numbers only."""
    import pandas as pd

    width = max(map(len, rows))
    padded = [[*row, *([None] * (width - len(row)))] for row in rows]
    head, *body = padded
    if all(isinstance(cell, int | float) or (isinstance(cell, str) and _NUMBER.fullmatch(cell)) for cell in head):
        return Sheet(title, pd.DataFrame(padded), first_row)
    names = [str(cell).strip() if cell is not None else "" for cell in head]
    return Sheet(title, pd.DataFrame(body, columns=_unique(names)), first_row + 1)


def _unique(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    unique = []
    for at, name in enumerate(names, start=1):
        name = name or f"column {at}"
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return unique


def checked_sheet(sheet: Sheet, found: Collector) -> Sheet:
    """The sheet with columns that have names, without rows that are all empty.

    Raises:
        DocumentError: it has too many rows or cells.
    """
    frame = sheet.frame
    if len(frame) > MAX_DATA_ROWS or frame.size > MAX_CELLS:
        raise DocumentError(
            f"{found.name!r} has more than {min(MAX_DATA_ROWS, MAX_CELLS // max(1, frame.shape[1])):,} rows of "
            f"{frame.shape[1]} columns; split it"
        )
    frame.columns = _unique([str(name)[:200].strip() for name in frame.columns])
    return sheet


def rows_as_text(sheets: Sequence[Sheet], found: Collector) -> None:
    """The first rows of tables as pieces, ``column: value; …``, for a model to read."""
    for sheet in sheets:
        names = list(sheet.frame.columns)
        for at, cells in enumerate(sheet.frame.head(MAX_TEXT_ROWS).itertuples(index=False)):
            pairs = (
                f"{name}: {str(cell)[:MAX_CELL_CHARS]}"
                for name, cell in zip(names, cells, strict=True)
                if cell is not None and cell == cell
            )
            found.add_row("; ".join(pairs), sheet=sheet.name, row=sheet.first_row + at)
        left_out = len(sheet.frame) - MAX_TEXT_ROWS
        if left_out > 0:
            found.remark("rows_left_out", n=left_out, read=MAX_TEXT_ROWS)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
