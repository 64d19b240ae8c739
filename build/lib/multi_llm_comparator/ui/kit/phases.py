"""The colours of an answer's phases: the state's before the writing; writing itself has the model's."""

from __future__ import annotations

from multi_llm_comparator.comparison.turn_lanes import Phase
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone

PHASE_TONES: dict[Phase, Tone] = {
    "queued": STATE_TONES["queued"],
    "load": STATE_TONES["loading"],
    "prefill": STATE_TONES["prefill"],
}
