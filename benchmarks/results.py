"""Figures of measurements: kept as JSON, shown as a table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from benchmarks.machine import describe_machine
from multi_llm_comparator.core.files import write_atomically

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One claim and what was measured for it.

    ``value`` is compared with ``wanted``, where something is; ``ours`` and ``peer`` are medians of the rounds, in
    ``unit``.
    """

    id: str
    name: str
    value: float
    wanted: float | None
    sense: Literal["at least", "at most"]
    value_unit: str = "x"
    ours: float | None = None
    peer: float | None = None
    unit: str = ""
    rounds: list[list[float]] = field(default_factory=list)
    measured: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    @property
    def met(self) -> bool | None:
        if self.wanted is None:
            return None
        return self.value >= self.wanted if self.sense == "at least" else self.value <= self.wanted


def ratio_figure(
    id: str,
    name: str,
    rounds: Sequence[tuple[float, float]],
    *,
    unit: str,
    wanted: float,
    sense: Literal["at least", "at most"] = "at least",
    invert: bool = False,
) -> Figure:
    """A figure from rounds of (ours, peer), each measured side by side.

    The value is the median of the rounds' ratios: what slows the machine for a while slows both halves of a round.
    ``invert`` divides peer by ours, for seconds where a larger value shall mean faster.
    """
    ratios = [peer / ours if invert else ours / peer for ours, peer in rounds]
    return Figure(
        id=id,
        name=name,
        value=statistics.median(ratios),
        wanted=wanted,
        sense=sense,
        ours=statistics.median(ours for ours, _ in rounds),
        peer=statistics.median(peer for _, peer in rounds),
        unit=unit,
        rounds=[list(pair) for pair in rounds],
    )


def save(name: str, figures: Sequence[Figure], folder: Path = RESULTS) -> Path:
    """Write the figures of one whole run to ``<name>.json``, in place of those of an earlier one: what was measured in
    another hour, on other versions or another machine is no neighbour to compare with."""
    path = folder / f"{name}.json"
    data = {"machine": describe_machine(), "figures": [asdict(figure) | {"met": figure.met} for figure in figures]}
    write_atomically(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    return path


def save_table(
    name: str, rows: Sequence[Sequence[str]], note: str, details: Mapping[str, object], folder: Path = RESULTS
) -> Path:
    """Write a table (the heading first) to ``<name>.json``, with a note that goes below it and details that do not."""
    measured = datetime.now(UTC).date().isoformat()
    data = {"machine": describe_machine(), "measured": measured, "table": rows, "note": note, "details": details}
    path = folder / f"{name}.json"
    write_atomically(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    return path


def load(path: Path) -> tuple[dict[str, Any], list[Figure]]:
    """The machine and its figures."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return data["machine"], [Figure(**{k: v for k, v in f.items() if k != "met"}) for f in data["figures"]]


def table(figures: Sequence[Figure]) -> list[list[str]]:
    """Rows of text, the heading first."""
    rows = [["", "what", "ours", "peer", "value", "wanted", "met"]]
    for figure in figures:
        wanted = "" if figure.wanted is None else f"{figure.sense} {number(figure.wanted)} {figure.value_unit}"
        ours, peer = (f"{number(v)} {figure.unit}" if v is not None else "" for v in (figure.ours, figure.peer))
        value = f"{number(figure.value)} {figure.value_unit}"
        rows.append([figure.id, figure.name, ours, peer, value, wanted, _MET[figure.met]])
    return rows


_MET = {True: "yes", False: "no", None: ""}


def number(value: float) -> str:
    """Three digits that mean something: 0.973, 12.3, 1,234."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
