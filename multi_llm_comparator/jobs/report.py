"""What the code of a job says of its work, and how it learns that it is to stop."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.jobs.events import (
    MAX_LINE_BYTES,
    MAX_PHASE_CHARS,
    Artefact,
    Ended,
    JobEvent,
    JobNote,
    Level,
    Phase,
    PointMade,
    Progress,
    Result,
    Sample,
    SampleKind,
    cut,
    event_line,
)

# Half a million points. What a job made and how it ended is told beyond that too.
MAX_EVENTS_BYTES = 64 * 2**20
MAX_LAST_BYTES = 2**20
TELL_PROGRESS_EVERY_S = 0.2
_ALWAYS_TOLD = (Ended, Artefact, Result)


# Where events go: a file that the app follows, or whatever prints them.
Sink = Callable[[JobEvent], None]


class Report:
    """Handed to the function of a job; without an app also to commands, with a sink that prints.

    Args:
        sink: takes each event.
        is_stopped: whether the job is to write a checkpoint and return.
    """

    def __init__(self, sink: Sink, is_stopped: Callable[[], bool] = lambda: False) -> None:
        self._sink, self._is_stopped = sink, is_stopped
        self._progress_at = -math.inf
        self._unheard: set[str] = set()

    def told_to(self, sink: Sink) -> Report:
        """A report of the same job, whose events ``sink`` takes too."""

        def both(event: JobEvent) -> None:
            self._sink(event)
            sink(event)

        return Report(both, self._is_stopped)

    @property
    def is_stopped(self) -> bool:
        """Whether somebody wants the job to end: write a checkpoint, then return. Ask between two steps."""
        return self._is_stopped()

    def phase(self, name: str) -> None:
        """What the job is about from now on, in one word: loading, training, evaluating, saving."""
        self._sink(Phase(name=name[:MAX_PHASE_CHARS]))

    def progress(self, done: int, total: int, unit: str = "steps", left_s: float | None = None) -> None:
        """How far it is; told a few times a second at most. ``left_s`` seconds are still to go, if that is known."""
        if done < total and time.monotonic() - self._progress_at < TELL_PROGRESS_EVERY_S:
            return
        self._progress_at = time.monotonic()
        left_s = left_s if left_s is not None and math.isfinite(left_s) else None
        self._sink(Progress(done=done, total=total, unit=unit, left_s=left_s))

    def point(self, series: str, step: int, value: float) -> None:
        """A point of a curve. A value that is no number is said once for each curve, and left out."""
        if math.isfinite(value):
            self._sink(PointMade(series=series, step=step, value=float(value)))
        elif series not in self._unheard:
            self._unheard.add(series)
            self.note("warning", f"{series} is {value} at step {step}; such values are not drawn")

    def sample(
        self,
        step: int,
        kind: SampleKind,
        prompt: str,
        answer: str,
        *,
        reference: str | None = None,
        score: float | None = None,
    ) -> None:
        """An answer that shows what the model knows at this step; long texts are cut."""
        score = score if score is not None and math.isfinite(score) else None
        known = None if reference is None else cut(reference)
        self._sink(Sample(step=step, kind=kind, prompt=cut(prompt), answer=cut(answer), reference=known, score=score))

    def note(self, level: Level, text: str) -> None:
        """Something that who looks at the job should know: what was left out, or works slower, and why."""
        self._sink(JobNote(level=level, text=cut(text)))

    def artefact(self, kind: str, path: Path | str, **about: Any) -> None:
        """A file or folder that is whole now: an adapter, a checkpoint, a gguf, a report. ``about`` is JSON data."""
        self._sink(Artefact(kind=kind, path=str(Path(path).absolute()), about=_plain(about, "about an artefact")))

    def result(self, values: dict[str, Any]) -> None:
        """What came out, as JSON data; of several calls the last counts."""
        self._sink(Result(values=_plain(values, "the result")))


def _plain(values: dict[str, Any], what: str) -> dict[str, Any]:
    try:
        text = json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as exc:
        raise ConfigurationError(f"{what} must be plain JSON data: {exc}") from exc
    if len(text) > MAX_LINE_BYTES // 2:
        raise ConfigurationError(f"{what} has {len(text)} characters as JSON; at most {MAX_LINE_BYTES // 2} are kept")
    plain: dict[str, Any] = json.loads(text)
    return plain


class EventsFile:
    """A sink that appends lines to a file, each in one write, so that whoever kills the job tears one at most.

    Raises:
        OSError: the file cannot be opened; later, that it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        self._size = os.fstat(self._file).st_size
        self._is_full = False
        if self._size and os.pread(self._file, 1, self._size - 1) != b"\n":
            # The attempt before was killed while it wrote.
            self._write(b"\n")

    def __call__(self, event: JobEvent) -> None:
        line = event_line(event)
        if isinstance(event, _ALWAYS_TOLD):
            if self._size + len(line) <= MAX_EVENTS_BYTES + MAX_LAST_BYTES or isinstance(event, Ended):
                self._write(line)
        elif self._size + len(line) <= MAX_EVENTS_BYTES and len(line) <= MAX_LINE_BYTES:
            self._write(line)
        elif self._size + len(line) > MAX_EVENTS_BYTES and not self._is_full:
            self._is_full = True
            told = f"the job has told {MAX_EVENTS_BYTES >> 20} MiB; curves and samples end here, the work goes on"
            self._write(event_line(JobNote(level="warning", text=told)))

    def _write(self, data: bytes) -> None:
        os.write(self._file, data)
        self._size += len(data)

    def close(self) -> None:
        os.close(self._file)
