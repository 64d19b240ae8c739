"""Where the time of each answer went: queued, load, prefill, decode, one after the other, as lanes of a chart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from multi_llm_comparator.charts.lanes import Lanes, Row, one_after_the_other
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.core.timings import AnswerState

Phase = Literal["queued", "load", "prefill", "decode"]
PHASES: tuple[Phase, ...] = ("queued", "load", "prefill", "decode")
_PHASE_OF_STATE: Mapping[AnswerState, Phase] = {"queued": "queued", "loading": "load", "prefill": "prefill"}


def phase_lengths(answer: AnswerSnapshot, at: float | None = None) -> dict[Phase, float]:
    """Seconds by phase. With ``at``, now, the phase that goes on counts up to it: a long one is seen to move."""
    known = answer.figures
    lengths: dict[Phase, float] = {
        "queued": known.queued_s or 0.0,
        "load": known.load_s or 0.0,
        "prefill": known.prefill_s or 0.0,
        "decode": known.decode_s or 0.0,
    }
    if at is not None and (phase := _PHASE_OF_STATE.get(answer.progress.state)) is not None:
        lengths[phase] = max(lengths[phase], elapsed_s(answer, at) or 0.0)
    return lengths


def elapsed_s(answer: AnswerSnapshot, at: float) -> float | None:
    """How long the present state has lasted at that moment; None for states in which the text itself shows that
    something happens.

    A request may still wait after its model was loaded; loading counts for itself.
    """
    progress = answer.progress
    since = {
        "queued": progress.requested_at + (progress.load_s or 0.0),
        "loading": progress.loading_at,
        "prefill": progress.started_at,
    }.get(progress.state)
    return None if since is None else max(0.0, at - since)


def turn_lanes(answers: Sequence[AnswerSnapshot], at: float | None = None) -> Lanes:
    """One row for each answer, on a clock that starts with its request. ``at`` as for :func:`phase_lengths`."""
    rows = []
    for answer in answers:
        lengths = phase_lengths(answer, at)
        spans = one_after_the_other([(phase, lengths[phase]) for phase in PHASES], answer.target)
        rows.append(Row(answer.answer_id, answer.model_name, spans, end_s=sum(lengths.values())))
    return Lanes(tuple(rows), max((row.end_s for row in rows), default=0.0))
