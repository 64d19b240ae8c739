"""What all reports share: where they lie, and how figures and tables are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from multi_llm_comparator.core import markdown_text
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.spreadsheet import csv_text

Kind = Literal["single", "dataset", "single_model_results"]
MAX_NAME_CHARS = 80


def report_folder(root: Path, kind: Kind, models: Sequence[str]) -> Path:
    """A new folder ``<root>/<kind>/<models>/<time stamp>``; it is made when the first file is written."""
    names = "__".join(_plain(name) for name in dict.fromkeys(models))[: 2 * MAX_NAME_CHARS]
    stamp = datetime.fromtimestamp(now()).strftime("%Y%m%d-%H%M%S")
    place = root / kind / names
    number = 1
    while (folder := place / (stamp if number == 1 else f"{stamp}-{number}")).exists():
        number += 1
    return folder


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; texts of others in it are no markup."""
    return "\n".join(markdown_text.table(heading, [[str(value) for value in row] for row in rows])) + "\n"


def figure(value: float | None, unit: str = "") -> str:
    """A figure with the digits that mean something; a dash for what is not known."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{text} {unit}".rstrip()


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}%"


def quoted(text: str) -> str:
    """Foreign text as a block that cannot break out of its place."""
    return "\n".join(markdown_text.fenced(text, "text")) + "\n"


def write_json(path: Path, data: object) -> None:
    write_atomically(path, json_text(data) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each row, the names of the first one as heading. What a spreadsheet would run is made text."""
    write_atomically(path, csv_text(rows, line_end="\n"))


def _plain(name: str) -> str:
    """A model's name as part of a path: no separators, nothing hidden."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:MAX_NAME_CHARS] or "model"
