"""PDF: the text of each page, by pypdf."""

from __future__ import annotations

import io
import logging
import re
import statistics
from collections.abc import Iterator

from multi_llm_comparator.applications.reading.bounds import MAX_PAGES
from multi_llm_comparator.applications.reading.collector import Collector
from multi_llm_comparator.applications.reading.texts import BULLET
from multi_llm_comparator.core.exceptions import DocumentError

# Fewer characters than this on a page are a page number, not its text.
MIN_PAGE_CHARS = 10
_ENDS = re.compile(r"[.!?。！？:：;；”\"]\s*$")
# A word that was parted at the end of a line.
_HYPHEN = re.compile(r"(?<=[a-z])-\n(?=[a-z])")
_CJK_BREAK = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\n(?=[\u3000-\u9fff\uff00-\uffef])")


def read_pdf(data: bytes, found: Collector) -> None:
    """Every page's paragraphs; pages without text are counted.

    Raises:
        DocumentError: it is damaged, has a password, or holds pictures of pages only.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    # Of a damaged file it has much to say, line by line.
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentError(f"{found.name!r} is protected by a password; save it without one")
        pages = len(reader.pages)
    except DependencyError as exc:
        raise DocumentError(f"{found.name!r} is encrypted in a way that is not read here; save it without") from exc
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError, IndexError) as exc:
        raise DocumentError(f"{found.name!r} is damaged: it cannot be read as PDF ({_reason(exc)})") from exc
    if not pages:
        raise DocumentError(f"{found.name!r} has no pages")
    found.pages = pages
    if pages > MAX_PAGES:
        found.remark("pages_left_out", n=pages - MAX_PAGES, read=MAX_PAGES)
    _read_pages(reader, min(pages, MAX_PAGES), found)


def _read_pages(reader: object, pages: int, found: Collector) -> None:
    empty, broken = [], []
    for number in range(pages):
        # A page may break the library in ways of its own; the others are read all the same.
        try:
            text = reader.pages[number].extract_text() or ""  # type: ignore[attr-defined]
        except MemoryError:
            raise
        except Exception:
            broken.append(number + 1)
            continue
        if len(text.strip()) < MIN_PAGE_CHARS:
            empty.append(number + 1)
            continue
        found.begin_page(number + 1)
        for paragraph in page_paragraphs(text):
            found.add(paragraph)
    if len(broken) == pages:
        raise DocumentError(f"{found.name!r} is damaged: none of its {pages} pages can be read")
    if len(empty) + len(broken) == pages:
        raise DocumentError(
            f"{found.name!r} has {pages} pages but no text: they are pictures, as a scanner makes them; have its text "
            "recognized (OCR) first"
        )
    if empty:
        found.remark("pages_without_text", n=len(empty), pages=_spoken(empty))
    if broken:
        found.remark("pages_unreadable", n=len(broken), pages=_spoken(broken))


def page_paragraphs(text: str) -> Iterator[str]:
    """The paragraphs of a page, whose lines come as they were set: one ends at an empty line, before a list item, and
    after a line that ends a sentence and is shorter than the others."""
    rows = [line.rstrip() for line in text.split("\n")]
    lengths = [len(line) for line in rows if line.strip()]
    usual = statistics.quantiles(lengths, n=10)[8] if len(lengths) > 1 else 0.0
    lines: list[str] = []
    for line in rows:
        if not line.strip() or (lines and BULLET.match(line)):
            yield from _joined(lines)
            lines = []
        if line.strip():
            lines.append(line)
            if _ENDS.search(line) and len(line) < 0.8 * usual:
                yield from _joined(lines)
                lines = []
    yield from _joined(lines)


def _joined(lines: list[str]) -> Iterator[str]:
    text = "\n".join(line.strip() for line in lines)
    text = _CJK_BREAK.sub("", _HYPHEN.sub("", text)).replace("\n", " ")
    if text.strip():
        yield text


def _spoken(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return f"{shown}, …" if len(numbers) > 10 else shown


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
