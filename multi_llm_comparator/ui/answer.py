"""From a model's raw text to Markdown that shows it faithfully, also while it is still being written.

Models write for chat pages: LaTeX in ``\\( \\)``, prices in dollars, thoughts in ``<think>``. Streamlit's Markdown has
its own ideas about some of these. Nothing here changes the stored answer; copy and export use the raw text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

BLOCK_CHARS = 1500

_CODE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^(?P=fence)[`~]*[ \t]*$|\Z)|(?P<tick>`+)[^`\n]+?(?P=tick)(?!`)", re.M | re.S
)
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.M)
_MATH = re.compile(r"\\\[(?P<block>.+?)\\\]|\\\((?P<inline>.+?)\\\)", re.S)
_DOLLARS = re.compile(r"(?<!\\)\$\$.+?\$\$|(?<![\\$])\$(?=\S)(?P<body>[^$\n]+?)(?<=[^\s\\])\$(?!\d)|(?<!\\)\$", re.S)
_DIRECTIVE = re.compile(r"(?<!\\):(?=[a-z0-9_-]+\[)")
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
    thinking, rest = starts_thinking, text
    while rest:
        before, tag, rest = rest.partition(_CLOSE if thinking else _OPEN)
        if before.strip():
            segments.append(Segment("think" if thinking else "text", before.strip("\n"), thinking and not tag))
        elif thinking and not tag:
            segments.append(Segment("think", "", True))
        if tag:
            thinking = not thinking
    return segments


def _without_cut_tag(text: str) -> str:
    for tag in (_OPEN, _CLOSE):
        for length in range(len(tag) - 1, 0, -1):
            if text.endswith(tag[:length]):
                return text[:-length]
    return text


def to_markdown(text: str, *, is_open: bool = False) -> list[str]:
    """Markdown blocks that together show ``text``.

    Earlier blocks stay the same while the text grows, so that a browser renders only the last one anew. With
    ``is_open`` what is unfinished at the end (a fence, a formula, bold text) is closed for the eye.
    """
    shown = _outside_code(_closed(text) if is_open else text)
    return _blocks(shown)


def _closed(text: str) -> str:
    fence = ""
    for match in _FENCE.finditer(text):
        mark = match.group(1)
        if not fence:
            fence = mark
        elif mark[0] == fence[0] and len(mark) >= len(fence):
            fence = ""
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


def _outside_code(text: str) -> str:
    """Apply the dialect changes to everything that is not code."""
    pieces: list[str] = []
    at = 0
    for match in _CODE.finditer(text):
        pieces += [_dialect(text[at : match.start()]), match.group()]
        at = match.end()
    return "".join([*pieces, _dialect(text[at:])])


def _dialect(text: str) -> str:
    text = _DOLLARS.sub(_keep_formula, text)
    text = _MATH.sub(lambda m: f"\n$$\n{m['block'].strip()}\n$$\n" if m["block"] else f"${m['inline'].strip()}$", text)
    # A picture would make the browser fetch an address that the model chose: show it as a link instead.
    text = text.replace("![", "\\![")
    return _DIRECTIVE.sub(r"\\:", text)


def _keep_formula(match: re.Match[str]) -> str:
    """A pair of dollars is a formula, a lone one is money."""
    return match.group() if len(match.group()) > 1 else r"\$"


def _blocks(text: str) -> list[str]:
    blocks: list[str] = []
    lines: list[str] = []
    size, fence = 0, ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark.group(1)
        elif mark and mark.group(1)[0] == fence[0] and len(mark.group(1)) >= len(fence):
            fence = ""
        if not line.strip() and not fence and size >= BLOCK_CHARS and "\n".join(lines).count("$$") % 2 == 0:
            blocks.append("\n".join(lines))
            lines, size = [], 0
            continue
        lines.append(line)
        size += len(line) + 1
    if "".join(lines).strip() or not blocks:
        blocks.append("\n".join(lines))
    return blocks
