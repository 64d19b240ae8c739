"""How an answer's time was spent, up to this moment: waiting, loading, reading the prompt, writing."""

from __future__ import annotations

from typing import Literal

from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.timings import AnswerState
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone

Phase = Literal["queued", "load", "prefill", "decode"]
PHASES: tuple[Phase, ...] = ("queued", "load", "prefill", "decode")
# The state's colour for what comes before the writing; writing itself wears the model's.
PHASE_TONES: dict[Phase, Tone] = {
    "queued": STATE_TONES["queued"],
    "load": STATE_TONES["loading"],
    "prefill": STATE_TONES["prefill"],
}
_PHASE_OF_STATE: dict[AnswerState, Phase] = {"queued": "queued", "loading": "load", "prefill": "prefill"}


def spans(answer: AnswerSnapshot) -> dict[Phase, float]:
    """Seconds by phase. The phase that is going on counts up to now, so that a long one is seen to move."""
    known = answer.figures
    lengths: dict[Phase, float] = {
        "queued": known.queued_s or 0.0,
        "load": known.load_s or 0.0,
        "prefill": known.prefill_s or 0.0,
        "decode": known.decode_s or 0.0,
    }
    phase = _PHASE_OF_STATE.get(answer.progress.state)
    if phase is not None:
        lengths[phase] = max(lengths[phase], elapsed_s(answer) or 0.0)
    return lengths


def elapsed_s(answer: AnswerSnapshot) -> float | None:
    """How long the present state has lasted; None for states in which the text itself shows that something happens.

    A request may still wait after its model was loaded; loading counts for itself.
    """
    progress = answer.progress
    since = {
        "queued": progress.requested_at + (progress.load_s or 0.0),
        "loading": progress.loading_at,
        "prefill": progress.started_at,
    }.get(progress.state)
    return None if since is None else max(0.0, now() - since)
