"""From a model's raw text to Markdown that shows it faithfully, also while it is still being written.

Models write for chat pages: LaTeX in ``\\( \\)``, prices in dollars, thoughts in ``<think>``, a line break where they
mean one. Streamlit's Markdown has its own ideas about some of these. Nothing here changes the stored answer; copy and
export use the raw text. Every text is gone through once, however it was made to be hard to read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from multi_llm_comparator.ui.kit.dialect import fence_after, parts, shown

BLOCK_CHARS = 1500
# Code with an exclamation mark before a bracket is drawn by itself, up to so many pieces of an answer.
MAX_PARTS = 100
# Beyond these the rest is shown as speech: each thought is a box of its own on the page.
MAX_SEGMENTS = 40
_OPEN, _CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Segment:
    """A stretch of an answer: what the model thought, or what it said. ``is_open`` thoughts have not ended yet."""

    kind: Literal["think", "text"]
    text: str
    is_open: bool = False


def split_thinking(text: str, *, starts_thinking: bool = False) -> list[Segment]:
    """Part an answer into thoughts and speech.

    Some chat templates end with ``<think>``, so that the answer begins inside a thought (``starts_thinking``), and some
    answers hold only the closing tag: what stands before it was thought. A tag cut off at the end is not shown.
    """
    text = _without_cut_tag(text)
    if not starts_thinking and _CLOSE in text and _OPEN not in text[: text.index(_CLOSE)]:
        starts_thinking = True
    segments: list[Segment] = []
    thinking, at = starts_thinking, 0
    while at < len(text):
        tag = _CLOSE if thinking else _OPEN
        end = text.find(tag, at) if len(segments) < MAX_SEGMENTS else -1
        before = text[at:] if end < 0 else text[at:end]
        if before.strip():
            segments.append(Segment("think" if thinking else "text", before.strip("\n"), thinking and end < 0))
        elif thinking and end < 0:
            segments.append(Segment("think", "", True))
        if end < 0:
            break
        thinking, at = not thinking, end + len(tag)
        if at == len(text) and thinking:
            segments.append(Segment("think", "", True))
    return segments


def _without_cut_tag(text: str) -> str:
    for tag in (_OPEN, _CLOSE):
        for length in range(len(tag) - 1, 0, -1):
            if text.endswith(tag[:length]):
                return text[:-length]
    return text


def to_markdown(text: str, *, is_open: bool = False) -> list[str]:
    """Markdown blocks that together show ``text``.

    Earlier blocks stay the same while the text grows, so that they are made once, and a browser renders only the last
    one anew. With ``is_open`` what is unfinished at the end (a fence, a formula, bold text) is closed for the eye.
    """
    *finished, last = _blocks(text.replace("\r\n", "\n").replace("\r", "\n"))
    done: list[str] = []
    for block in finished:
        done += _kept(block, len(done) < MAX_PARTS)
    last = _closed(last) if is_open else last
    return [*done, *(_parted(last, len(done) < MAX_PARTS) if is_open else _kept(last, len(done) < MAX_PARTS))]


def _parted(block: str, may_part: bool) -> list[str]:
    found = parts(block) if may_part and "![" in block else []
    return found if 0 < len(found) <= MAX_PARTS else [shown(block)]


_kept = lru_cache(maxsize=1024)(_parted)


def bounded(text: str, limit: int, *, from_end: bool = False) -> str:
    """Enough for any reader; the whole text is in the copy and in the export. Of one that grows, its end is read."""
    if len(text) <= limit:
        return text
    return "…\n\n" + text[len(text) - limit :] if from_end else text[:limit] + "\n\n…"


def shortened(segments: list[Segment], limit: int, *, from_end: bool = False) -> list[Segment]:
    """As :func:`bounded`, of a whole answer; each segment keeps its place."""
    left, kept = limit, []
    for segment in reversed(segments) if from_end else segments:
        kept.append(replace(segment, text=bounded(segment.text, left, from_end=from_end)))
        left = max(0, left - len(segment.text))
    return kept[::-1] if from_end else kept


def _closed(text: str) -> str:
    fence = ""
    for line in text.split("\n") if "```" in text or "~~~" in text else ():
        fence = fence_after(line, fence)
    if fence:
        return f"{text.rstrip('`~')}\n{fence}" if not text.endswith("\n") else text + fence
    if text.count("$$") % 2:
        return text + "$$"
    tail = text.rpartition("\n\n")[2]
    if text.rpartition("\n")[2].count("`") % 2:
        return text + "`"
    if tail.count("**") % 2:
        return text.removesuffix("**") if tail.endswith("**") else text.rstrip() + "**"
    return text


def _blocks(text: str) -> list[str]:
    """Cut at empty lines outside code and formulas, before a line that belongs to no list above it."""
    blocks: list[str] = []
    lines: list[str] = []
    size, fence, dollars, bracket = 0, "", 0, False
    for line in text.split("\n"):
        inside = fence or dollars % 2 or bracket
        if size >= BLOCK_CHARS and not inside and not lines[-1].strip() and line[:1].strip():
            blocks.append("\n".join(lines).rstrip("\n"))
            lines, size = [], 0
        fence = fence_after(line, fence)
        if not fence:
            dollars += line.count("$$")
            opening, closing = line.rfind("\\["), line.rfind("\\]")
            bracket = opening > closing or (bracket and closing < 0)
        lines.append(line)
        size += len(line) + 1
    return [*blocks, "\n".join(lines)]
