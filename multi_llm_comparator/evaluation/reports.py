"""What all reports share: where they lie, and how figures and tables are written."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.files import write_atomically

Kind = Literal["single", "dataset", "single_model_results"]
MAX_NAME_CHARS = 80
# Spreadsheets run what begins like this.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


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
    """A Markdown table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(_cell(value) for value in line)} |" for line in lines) + "\n"


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
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}\n"


def write_json(path: Path, data: object) -> None:
    write_atomically(path, json_text(data) + "\n")


def json_text(data: object) -> str:
    """Plain data as JSON, which has no number for a speed without end: that is written as null."""
    return json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(data: object) -> object:
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """One line for each row, the names of the first one as heading. What a spreadsheet would run is made text."""
    written = io.StringIO()
    writer = csv.DictWriter(written, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _harmless(value) for name, value in row.items()})
    write_atomically(path, written.getvalue())


def _harmless(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value


def _cell(value: object) -> str:
    text = str(value).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"\s+", " ", text)


def _plain(name: str) -> str:
    """A model's name as part of a path: no separators, nothing hidden."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-")[:MAX_NAME_CHARS] or "model"
