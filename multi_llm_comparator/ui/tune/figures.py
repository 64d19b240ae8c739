"""A job's state and its figures: where it is, how long it still takes, what it has learnt, what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.tracking.records import Point
from multi_llm_comparator.ui.history.rows import state_of_run
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.html_pieces import figure, note_chip
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.tune.curves import LOSS, VALIDATION_LOSS
from multi_llm_comparator.ui.tune.pieces import named_briefly, note_text

_NOTE_CHARS = 80
MAX_NOTES = 6
_NOTE_TONES = {"info": STATE_TONES["queued"], "warning": STATE_TONES["loading"], "error": STATE_TONES["failed"]}


def status(job: JobSnapshot) -> str:
    """State, phase, what it waits for and remarks, as chips."""
    chips = [state_of_run(job.state)]
    if job.state == "running" and job.phase:
        chips.append(f'<span class="mlc-muted" data-phase="{escape(job.phase)}">{escape(phase_name(job.phase))}</span>')
    if job.waits_for is not None:
        chips.append(f'<span class="mlc-muted">{escape(waits_for(job))}</span>')
    for note in list(job.notes)[-MAX_NOTES:]:
        text = note_text(note.text)
        chips.append(note_chip(cut_line(named_briefly(text), _NOTE_CHARS), text, _NOTE_TONES[note.level]))
    if job.save_error:
        chips.append(note_chip(t("tune.not_saved"), said(job.save_error), STATE_TONES["failed"]))
    return f'<div class="mlc-plan-status">{"".join(chips)}</div>'


def phase_name(phase: str) -> str:
    """A phase in the reader's language; one of another kind of job by its own name."""
    key = f"tune.phase_{phase}"
    return t(key) if key in texts(current_language()) else phase


def waits_for(job: JobSnapshot) -> str:
    """Why a queued job has not begun, in the reader's language."""
    waits = job.waits_for
    if waits is None:
        return t("tune.waits_soon")
    values = {"missing": say.size(waits.missing_bytes), "models": waits.models, "ahead": waits.ahead}
    return t(f"tune.waits_{waits.what}", **values)


def strip(job: JobSnapshot) -> str:
    """One line of figures; every one has its place before it is known."""
    progress = job.progress
    losses, checked = job.curves.get(LOSS, ()), job.curves.get(VALIDATION_LOSS, ())
    speed = last_of(job, "tokens_per_s")
    done = say.NOTHING if progress is None else f"{progress.done:,} / {progress.total:,}"
    pieces = [
        _figure("steps", done),
        _figure("left", say.seconds(progress.left_s if progress is not None and not job.is_over else None)),
        _figure("taken", say.seconds(_taken_s(job))),
        _figure("loss", from_to(losses)),
        _figure("validation", from_to(checked), _best(checked)),
        _figure("speed", say.speed(speed), unit="" if speed is None else t("figure.speed_unit")),
        _figure("memory", say.size(_highest(job, "memory_bytes"))),
    ]
    return f'<div class="mlc-strip">{"".join(pieces)}</div>'


def _figure(name: str, value: str, note: str | None = None, *, unit: str = "") -> str:
    return figure(value, t(f"tune.figure_{name}"), t(f"tune.figure_{name}_why"), unit, note)


def from_to(points: Sequence[Point]) -> str:
    """The first value of a curve and the last."""
    if not points:
        return say.NOTHING
    first, last = points[0].value, points[-1].value
    return f"{last:.3f}" if len(points) == 1 else f"{first:.3f} → {last:.3f}"


def _best(points: Sequence[Point]) -> str | None:
    if len(points) < 2:
        return None
    best = min(points, key=lambda point: point.value)
    return t("tune.best_at", value=f"{best.value:.3f}", step=f"{best.step:,}")


def last_of(job: JobSnapshot, series: str) -> float | None:
    """The newest value of a curve."""
    points = job.curves.get(series, ())
    return points[-1].value if points else None


def _highest(job: JobSnapshot, series: str) -> float | None:
    return max((point.value for point in job.curves.get(series, ())), default=None)


def _taken_s(job: JobSnapshot) -> float | None:
    ended = job.ended if job.is_over else now()
    return None if job.begun is None or ended is None else ended - job.begun
