"""Colours with a meaning: one for each model everywhere, one for each state.

The hues are told apart by people with the common colour vision deficiencies, and each has a tone for light and one for
dark pages. Colour is never the only sign: panes carry letters and states carry words.
"""

from __future__ import annotations

from dataclasses import dataclass

from multi_llm_comparator.core.timings import AnswerState
from multi_llm_comparator.ui import preferences


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
    Tone("#2f78d0", "#5b9df0"),  # blue
    Tone("#d4660a", "#ee8a36"),  # orange
    Tone("#0a927c", "#2fb79f"),  # teal
    Tone("#b8479a", "#da76bd"),  # magenta
    Tone("#a57f00", "#c9a227"),  # ochre
    Tone("#7a5cc9", "#a48be8"),  # violet
    Tone("#1b97c4", "#4bb8e3"),  # sky
    Tone("#c04545", "#e57373"),  # red
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
