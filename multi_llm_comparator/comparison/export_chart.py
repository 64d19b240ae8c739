"""Where the time of each answer went, as bars for an SVG: queued, load, prefill, decode, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multi_llm_comparator.comparison.export_labels import seconds
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot

PHASES = ("queued_s", "load_s", "prefill_s", "decode_s")
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


def bars_of(answers: Sequence[AnswerSnapshot]) -> tuple[Bar, ...]:
    """Bars on one common scale; the longest fills WIDTH."""
    spans = [[(phase, getattr(answer.figures, phase) or 0.0) for phase in PHASES] for answer in answers]
    longest = max((sum(span for _, span in phases) for phases in spans), default=0.0)
    scale = WIDTH / longest if longest > 0 else 0.0
    return tuple(_bar(answer.model_name, phases, scale) for answer, phases in zip(answers, spans, strict=True))


def _bar(name: str, phases: Sequence[tuple[str, float]], scale: float) -> Bar:
    segments, x = [], 0.0
    for phase, span in phases:
        if span > 0:
            segments.append(Segment(phase, round(x, 2), round(span * scale, 2), seconds(span)))
        x += span * scale
    return Bar(name, tuple(segments), seconds(sum(span for _, span in phases)))
