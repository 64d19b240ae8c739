"""DOCX: paragraphs under their headings, and tables row by row, by python-docx."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator

from multi_llm_comparator.applications.reading.collector import Collector
from multi_llm_comparator.applications.reading.formats import checked_archive
from multi_llm_comparator.core.exceptions import DocumentError


def read_docx(data: bytes, found: Collector) -> list[list[list[str]]]:
    """All of a Word document in its order; its tables as rows of cells.

    Raises:
        DocumentError: it is damaged, or unpacks to too much.
    """
    import docx
    from docx.opc.exceptions import OpcError
    from lxml.etree import LxmlError

    checked_archive(found.name, data)
    try:
        document = docx.Document(io.BytesIO(data))
        return list(_read_body(document, found))
    except (OpcError, LxmlError, SyntaxError, KeyError, ValueError, zipfile.BadZipFile, AttributeError, OSError) as exc:
        reason = " ".join(str(exc).split())[:200]
        raise DocumentError(f"{found.name!r} is damaged: it cannot be read as a Word file ({reason})") from exc


def _read_body(document: object, found: Collector) -> Iterator[list[list[str]]]:
    from docx.table import Table
    from docx.text.paragraph import Paragraph

    number = 0
    for block in document.iter_inner_content():  # type: ignore[attr-defined]
        if isinstance(block, Paragraph):
            style = (block.style.name if block.style is not None else "") or ""
            (found.head if style.startswith(("Heading", "Title", "标题")) else found.add)(block.text)
        elif isinstance(block, Table):
            number += 1
            rows = [_cells(row) for row in block.rows]
            for at, cells in enumerate(rows, start=1):
                found.add_row(" ; ".join(filter(None, cells)), sheet=f"{number}", row=at)
            yield rows


def _cells(row: object) -> list[str]:
    """The texts of a row; cells that were joined are one."""
    texts, before = [], None
    for cell in row.cells:  # type: ignore[attr-defined]
        if cell._tc is not before:
            texts.append(" ".join(cell.text.split()))
        before = cell._tc
    return texts
