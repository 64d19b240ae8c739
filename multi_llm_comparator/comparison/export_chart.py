"""Where the time of each answer went, as bars for the SVG of an exported page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.comparison.turn_lanes import turn_lanes
from multi_llm_comparator.comparison.words import seconds

WIDTH = 560.0


@dataclass(frozen=True, slots=True)
class Segment:
    """One phase in a bar; ``x`` and ``width`` in the chart's own units."""

    phase: str
    x: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One answer's row."""

    name: str
    segments: tuple[Segment, ...]
    total: str


def bars_of(answers: Sequence[AnswerSnapshot], names: Sequence[str]) -> tuple[Bar, ...]:
    """Bars on one common scale, by the names of the answers; the longest fills WIDTH."""
    lanes = turn_lanes(answers)
    scale = WIDTH / lanes.end_s if lanes.end_s > 0 else 0.0

    def segment(kind: str, start_s: float, length_s: float) -> Segment:
        return Segment(f"{kind}_s", round(start_s * scale, 2), round(length_s * scale, 2), seconds(length_s))

    return tuple(
        Bar(name, tuple(segment(s.kind, s.start_s, s.end_s - s.start_s) for s in row.spans), seconds(row.end_s))
        for row, name in zip(lanes.rows, names, strict=True)
    )
