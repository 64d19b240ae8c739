"""Plain text, Markdown and HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from multi_llm_comparator.applications.reading.collector import Collector
from multi_llm_comparator.core.exceptions import DocumentError

BULLET = re.compile(r"^\s*(?:[-*+•·▪◦●–—]|\(?\d{1,3}[.)、）]|\(?[a-zA-Z一二三四五六七八九十][.)、）])\s*(?=\S)")
# A line that heads what follows: short, and ends in a colon.
_HEADS = re.compile(r"^\s*([^:：]{1,60})[:：]\s*$")
_MARKDOWN_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.+?)\s*#*\s*$")
_FENCE = re.compile(r"^ {0,3}(```+|~~~+)")
_BLOCK_TAGS = (
    "address article aside blockquote body br center dd details dialog dir div dl dt fieldset figcaption figure footer "
    "form frame h1 h2 h3 h4 h5 h6 header hr html legend li main menu nav ol option p pre section summary table tbody "
    "tfoot thead title tr ul"
)
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "title"))
# Never shown by a browser, or no text.
_UNSEEN_TAGS = "script style noscript template iframe object embed svg math canvas audio video head select datalist"
_UNSEEN = frozenset(_UNSEEN_TAGS.split())
_HIDDEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]*[1-9])|opacity\s*:\s*0(?![.\d])"
)


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of plain text: parted by empty lines, before each list item, and before a line that heads others."""
    lines: list[str] = []
    for line in text.split("\n"):
        if not line.strip():
            yield from _joined(lines)
            lines = []
        elif BULLET.match(line) or _HEADS.match(line) or (lines and _HEADS.match(lines[-1])):
            yield from _joined(lines)
            lines = [line]
        else:
            lines.append(line)
    yield from _joined(lines)


def _joined(lines: list[str]) -> Iterator[str]:
    if lines:
        yield "\n".join(line.strip() for line in lines)


def read_text(text: str, found: Collector) -> None:
    """Plain text: a short line that ends in a colon is a heading."""
    for paragraph in paragraphs(text):
        heading = _HEADS.match(paragraph) if "\n" not in paragraph else None
        if heading:
            found.head(paragraph)
        else:
            found.add(paragraph)


def read_markdown(text: str, found: Collector) -> None:
    """Markdown: headings by their signs, code as it stands, the rest as plain text."""
    lines: list[str] = []
    fence = ""

    def flush() -> None:
        for paragraph in paragraphs("\n".join(lines)):
            found.add(paragraph)
        lines.clear()

    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or mark[1].startswith(fence)):
            fence = "" if fence else mark[1]
        heading = None if fence else _MARKDOWN_HEADING.match(line)
        if heading:
            flush()
            found.head(heading[2])
        elif line.strip().startswith("|") and set(line.strip()) <= set("|-: "):
            # The line between a table's heading and its rows.
            continue
        else:
            lines.append(line)
    flush()


def read_html(text: str, found: Collector) -> None:
    """What a browser would show of a page: no scripts, nothing hidden, nothing fetched.

    Raises:
        DocumentError: it has no text.
    """
    from lxml import etree

    # Without ``huge_tree`` the parser ends what is nested without end.
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root = etree.fromstring(text.encode("utf-8", "replace"), parser)
    except (etree.XMLSyntaxError, ValueError) as exc:
        raise DocumentError(f"{found.name!r} cannot be read as HTML: {exc}") from exc
    if root is None:
        raise DocumentError(f"{found.name!r} has no text")
    _walk(root, found)


def _walk(root: object, found: Collector) -> None:
    from lxml import etree

    words: list[str] = []
    heading = ""

    def flush() -> None:
        text = re.sub(r"[ \t\r\f\v\u00a0]+", " ", "".join(words).replace("\n", " ")).strip()
        words.clear()
        if text:
            (found.head if heading else found.add)(text)

    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if tag in _UNSEEN or _is_hidden(element):
                walk.skip_subtree()
                continue
            if tag in _BLOCKS:
                flush()
            heading = tag if tag in _HEADINGS else heading
            words.append(element.text or "")
        else:
            if tag in ("td", "th"):
                words.append(" ; ")
            elif tag in _BLOCKS:
                flush()
            heading = "" if tag == heading else heading
            words.append(element.tail or "")
    flush()


def _is_hidden(element: object) -> bool:
    get = element.get  # type: ignore[attr-defined]
    return (
        get("hidden") is not None or get("aria-hidden") == "true" or bool(_HIDDEN.search((get("style") or "").lower()))
    )
