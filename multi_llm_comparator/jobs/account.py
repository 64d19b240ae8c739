"""What a job has told so far, folded from its events."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from multi_llm_comparator.jobs.events import (
    Artefact,
    Began,
    Ended,
    JobEvent,
    JobNote,
    Phase,
    PointMade,
    Progress,
    Result,
    Sample,
)
from multi_llm_comparator.jobs.snapshot import JobProgress
from multi_llm_comparator.tracking.records import Point

MAX_CURVES = 100
MAX_CURVE_POINTS = 20_000
MAX_SAMPLES = 2_000
MAX_NOTES = 200
MAX_ARTEFACTS = 1_000


class Account:
    """Grows by :meth:`add`; what is told twice, by an attempt that began at a checkpoint, replaces what was told."""

    def __init__(self) -> None:
        self.phase = ""
        self.progress: JobProgress | None = None
        self.notes: list[JobNote] = []
        self.artefacts: dict[str, Artefact] = {}
        self.result: Mapping[str, Any] | None = None
        # How the present attempt ended, None as long as it has not said so.
        self.ended: Ended | None = None
        self._curves: dict[str, dict[int, Point]] = {}
        self._drawn: dict[str, Sequence[Point]] = {}
        self._samples: dict[str, Sample] = {}

    def begin_again(self) -> None:
        """Another attempt begins: what the last one said of its present is no longer so."""
        self.phase, self.ended = "", None
        if self.progress is not None:
            self.progress = replace(self.progress, left_s=None)

    def add(self, event: JobEvent) -> None:
        match event:
            case Began():
                self.begin_again()
            case Phase():
                self.phase = event.name
            case Progress():
                self.progress = JobProgress(event.done, event.total, event.unit, event.left_s)
            case PointMade():
                self.add_point(as_point(event))
            case Sample():
                self.add_sample(event)
            case JobNote():
                self._add_note(event)
            case Artefact():
                if event.path in self.artefacts or len(self.artefacts) < MAX_ARTEFACTS:
                    self.artefacts[event.path] = event
            case Result():
                self.result = event.values
            case Ended():
                self.ended = event

    # --- curves -----------------------------------------------------------------------------------------------------

    @property
    def series(self) -> tuple[str, ...]:
        return tuple(self._curves)

    def add_point(self, point: Point) -> None:
        if point.series not in self._curves and len(self._curves) >= MAX_CURVES:
            return
        curve = self._curves.setdefault(point.series, {})
        curve[point.step] = point
        self._drawn.pop(point.series, None)
        if len(curve) > MAX_CURVE_POINTS:
            # Every second one goes; the newest stays.
            kept = sorted(curve, reverse=True)[::2]
            self._curves[point.series] = {step: curve[step] for step in kept}

    def curves(self) -> dict[str, Sequence[Point]]:
        """Each series by step; what did not change is the same object as before."""
        for series, curve in self._curves.items():
            if series not in self._drawn:
                self._drawn[series] = tuple(curve[step] for step in sorted(curve))
        return {series: self._drawn[series] for series in self._curves}

    # --- samples ----------------------------------------------------------------------------------------------------

    def add_sample(self, sample: Sample) -> None:
        key = sample_key(sample)
        if key in self._samples or len(self._samples) < MAX_SAMPLES:
            self._samples[key] = sample

    def sample(self, key: str) -> Sample:
        return self._samples[key]

    def holds(self, key: str) -> bool:
        return key in self._samples

    @property
    def samples(self) -> tuple[Sample, ...]:
        return tuple(self._samples.values())

    def _add_note(self, note: JobNote) -> None:
        if len(self.notes) < MAX_NOTES and (note.level, note.text) not in {(n.level, n.text) for n in self.notes}:
            self.notes.append(note)


def as_point(event: PointMade) -> Point:
    return Point(series=event.series, step=event.step, value=event.value, at=event.at)


def sample_key(sample: Sample) -> str:
    """The same for the same prompt at the same step, so that an attempt that repeats it replaces it."""
    about = hashlib.sha256(f"{sample.kind}\0{sample.prompt}".encode()).hexdigest()[:16]
    return f"{sample.step:09d}:{sample.kind}:{about}"
