"""Lanes as data: rows of coloured spans of time on one clock. Computed once, drawn as SVG or with Plotly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

# More rows than this nobody reads, and browsers are slow with them.
MAX_ROWS = 200
Sign = Literal["failed", "stopped", "no_model"]


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took from ``start_s`` to ``end_s`` on the chart's clock.

    ``kind`` says what it was and decides its filling. ``target`` is who was asked and ``answered_by`` who answered;
    either may decide its colour. ``tokens`` is how many were written, ``error`` what it ended with.
    """

    start_s: float
    end_s: float
    kind: str
    target: str
    answered_by: str
    tokens: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``id`` is what a click on it picks, empty where there is nothing to pick.

    ``outline`` is what was predicted, from when to when; ``frame`` is from when to when something on the critical path
    was at work; ``is_marked`` rows belong to that path. ``sign`` says how it ended, at ``end_s``.
    """

    id: str
    label: str
    spans: tuple[Span, ...]
    is_marked: bool = False
    outline: tuple[float, float] | None = None
    frame: tuple[float, float] | None = None
    sign: Sign | None = None
    end_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Lanes:
    """A chart. ``end_s`` is when the last thing ends, what was predicted included. ``left_out`` rows found no room.
    ``chain`` are ids of rows whose frames are joined, in their order. ``pauses`` are cut out of the clock: at which
    second, and how many seconds they lasted."""

    rows: tuple[Row, ...]
    end_s: float
    left_out: int = 0
    chain: tuple[str, ...] = ()
    pauses: tuple[tuple[float, float], ...] = ()

    def spans(self) -> Iterator[tuple[int, Row, Span]]:
        """All spans, each with its row and the row's number from 0."""
        for number, row in enumerate(self.rows):
            yield from ((number, row, span) for span in row.spans)


def one_after_the_other(lengths_s: Sequence[tuple[str, float]], target: str) -> tuple[Span, ...]:
    """Spans of these kinds and lengths from 0 on; those of no length are left out."""
    spans: list[Span] = []
    at = 0.0
    for kind, length_s in lengths_s:
        if length_s > 0:
            spans.append(Span(at, at + length_s, kind, target, target))
        at += length_s
    return tuple(spans)
