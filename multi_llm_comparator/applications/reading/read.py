"""A document of any known format, read in this process: for the child process that may be lost by it, and for tests."""

from __future__ import annotations

from dataclasses import dataclass, field

from multi_llm_comparator.applications.reading.bounds import MAX_FILE_BYTES, too_large
from multi_llm_comparator.applications.reading.collector import Collector
from multi_llm_comparator.applications.reading.formats import decoded, format_of
from multi_llm_comparator.applications.reading.pdf import read_pdf
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.reading.sheets import Sheet, read_csv, read_xlsx, rows_as_text, sheet_of
from multi_llm_comparator.applications.reading.texts import read_html, read_markdown, read_text
from multi_llm_comparator.applications.reading.word import read_docx
from multi_llm_comparator.core.exceptions import DocumentError


@dataclass
class Read:
    """A document with its tables, which only the process that read it has."""

    reading: Reading
    sheets: list[Sheet] = field(default_factory=list)


def read(name: str, data: bytes) -> Read:
    """Read a document.

    Raises:
        DocumentError: it is too large, damaged, protected, of no known format, or has no text.
    """
    if len(data) > MAX_FILE_BYTES:
        raise too_large(name, len(data))
    if not data.strip():
        raise DocumentError(f"{name!r} is empty" if name else "there is no text; paste some, or give a file")
    found = Collector(name, format_of(name, data))
    sheets = _read(data, found)
    reading = found.reading()
    if not reading.pieces:
        raise DocumentError(f"{name!r} has no text")
    return Read(reading, sheets)


def _read(data: bytes, found: Collector) -> list[Sheet]:
    match found.format:
        case "pdf":
            read_pdf(data, found)
            return []
        case "docx":
            tables = read_docx(data, found)
            return [sheet_of(str(number), rows, 1) for number, rows in enumerate(tables, start=1) if len(rows) > 1]
        case "csv" | "xlsx":
            sheets = (read_csv if found.format == "csv" else read_xlsx)(data, found)
            rows_as_text(sheets, found)
            return sheets
    text, note = decoded(found.name, data)
    if note:
        found.remark("encoding_guessed", note=note)
    readers = {"markdown": read_markdown, "html": read_html}
    readers.get(found.format, read_text)(text, found)
    return []
