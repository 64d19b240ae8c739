"""The colours of what a plan run, and a step of it, is doing."""

from __future__ import annotations

from html import escape

from multi_llm_comparator.plans.step_run import StepState
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES, UNKNOWN, Tone

RUN_TONES: dict[str, Tone] = {
    "queued": STATE_TONES["queued"],
    "planning": STATE_TONES["prefill"],
    "running": STATE_TONES["running"],
    "aggregating": STATE_TONES["loading"],
    "done": STATE_TONES["done"],
    "failed": STATE_TONES["failed"],
    "stopped": STATE_TONES["stopped"],
    "interrupted": STATE_TONES["stopped"],
}
STEP_TONES: dict[StepState, Tone] = {
    "waiting": STATE_TONES["queued"],
    "ready": STATE_TONES["loading"],
    "running": STATE_TONES["running"],
    "done": STATE_TONES["done"],
    "failed": STATE_TONES["failed"],
    "skipped": STATE_TONES["queued"],
    "stopped": STATE_TONES["stopped"],
}
_AT_WORK = ("planning", "running", "aggregating")


def run_chip(state: str) -> str:
    """What a run is doing."""
    live = " mlc-live" if state in _AT_WORK else ""
    tone = RUN_TONES.get(state, UNKNOWN).css
    words = escape(t(f"plan.state_{state}"))
    return f'<span class="mlc-chip{live}" style="--tone:{tone}" data-run-state="{state}">{words}</span>'


def step_chip(state: StepState) -> str:
    """What a step is doing."""
    live = " mlc-live" if state == "running" else ""
    words = escape(t(f"plan.step_{state}"))
    return (
        f'<span class="mlc-chip{live}" style="--tone:{STEP_TONES[state].css}" data-step-state="{state}">{words}</span>'
    )
