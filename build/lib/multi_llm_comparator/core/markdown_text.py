"""Texts of others in Markdown files: in fences that they cannot leave, or in lines in which they are no markup."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence


def fenced(text: str, kind: str = "") -> list[str]:
    """The lines of a block that arrives as it was written."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{kind}", text, fence]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table."""
    return [_row(header), _row(["---"] * len(header), escapes=False), *map(_row, rows)]


def _row(cells: Sequence[str], *, escapes: bool = True) -> str:
    return "| " + " | ".join(one_line(cell) if escapes else cell for cell in cells) + " |"


def one_line(text: str) -> str:
    """Text within a line: what Markdown or HTML would take as theirs is escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", " ".join(text.split()))
