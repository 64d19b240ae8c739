"""Colours with a meaning: one for each model everywhere, one for each state.

The hues are told apart by people with the common colour vision deficiencies, and each has a tone for light and one for
dark pages. Colour is never the only sign: panes carry letters and states carry words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.timings import AnswerState
from multi_llm_comparator.ui.kit import preferences


@dataclass(frozen=True)
class Tone:
    """One colour on a light and on a dark page."""

    light: str
    dark: str

    @property
    def css(self) -> str:
        """For style attributes: the browser takes the tone that fits the page."""
        return f"light-dark({self.light},{self.dark})"

    def on(self, page: str) -> str:
        """For charts, which want one plain colour. ``page`` is "light" or "dark"."""
        return self.dark if page == "dark" else self.light


MODEL_TONES = (
    Tone("#4a7de8", "#6ea4ff"),  # blue
    Tone("#b3540c", "#ff9a3d"),  # orange
    Tone("#136a57", "#2aa58a"),  # green
    Tone("#cf2fa3", "#f57fd0"),  # magenta
    Tone("#a08f2b", "#e0c34a"),  # ochre
    Tone("#6a3fd6", "#8f6ff0"),  # violet
    Tone("#3a98b2", "#63d0f0"),  # sky
    Tone("#d2696f", "#e06060"),  # rose
)
UNKNOWN = Tone("#7b8494", "#8d96a6")

STATE_TONES: dict[AnswerState, Tone] = {
    "queued": Tone("#6b7280", "#9aa3b2"),
    "loading": Tone("#9a6700", "#d9a63a"),
    "prefill": Tone("#0b7285", "#4fb7cb"),
    "running": Tone("#2563c9", "#6ea8fe"),
    "done": Tone("#1a7f4b", "#57c08b"),
    "stopped": Tone("#6d5bb0", "#a99be0"),
    "failed": Tone("#c02d3a", "#f07c86"),
}


def model_tone(model_id: str) -> Tone:
    """The colour of one model: given at first sight, the one least in use, and kept from then on."""
    if not model_id:
        return UNKNOWN
    colours = preferences.load().colours
    if model_id not in colours:
        taken = list(colours.values())
        index = min(range(len(MODEL_TONES)), key=taken.count)
        kept = list(colours.items())[-preferences.MAX_COLOURS + 1 :]
        preferences.update(colours={**dict(kept), model_id: index})
        return MODEL_TONES[index]
    return MODEL_TONES[colours[model_id] % len(MODEL_TONES)]


def pane_tones(model_ids: Sequence[str]) -> list[Tone]:
    """Colours of panes that are on the screen together: all different, each its model's own where that is free.

    Two panes of one model differ as well; the first keeps the model's colour. "" is an unknown model, which is grey.
    """
    tones: list[Tone | None] = []
    for model_id in model_ids:
        wanted = model_tone(model_id)
        tones.append(wanted if wanted == UNKNOWN or wanted not in tones else None)
    free = [tone for tone in MODEL_TONES if tone not in tones]
    return [free.pop(0) if tone is None and free else tone or UNKNOWN for tone in tones]
