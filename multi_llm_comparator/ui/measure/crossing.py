"""What each model is asked with besides the parameters of all: temperatures, presets and system prompts."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.comparison.presets import Presets
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.measuring.spec import MAX_SUBJECTS
from multi_llm_comparator.evaluation.prompt_library import PromptLibrary
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.measure.state import SETUP, Setup

TEMPERATURES = tuple(step / 10 for step in range(21))
SHOWN_CHARS = 80


def draw_crossing(setup: Setup) -> None:
    """Three lists: of several entries each makes every model one of its own."""
    st.multiselect(
        t("measure.also_at"),
        TEMPERATURES,
        [one for one in setup.also_at if one in TEMPERATURES],
        help=t("measure.also_at_why"),
        placeholder=t("measure.choose"),
        max_selections=MAX_SUBJECTS,
        **SETUP.bind("also_at"),
    )
    presets = [preset.name for preset in attempt(Presets().list) or ()]
    if presets or setup.presets:
        st.multiselect(
            t("measure.presets"),
            # One that is gone is shown, and the start says so.
            list(dict.fromkeys(("", *presets, *setup.presets))),
            setup.presets,
            format_func=lambda name: name or t("measure.no_preset"),
            help=t("measure.presets_why"),
            placeholder=t("measure.choose"),
            max_selections=MAX_SUBJECTS,
            **SETUP.bind("presets"),
        )
    # Those with variables wait for somebody to fill them in.
    saved = {prompt.text: prompt.name for prompt in attempt(PromptLibrary().list) or () if not prompt.variables}
    st.multiselect(
        t("measure.systems"),
        list(dict.fromkeys(("", *saved, *setup.systems))),
        setup.systems,
        format_func=lambda text: saved.get(text) or cut_line(text, SHOWN_CHARS) or t("measure.no_system"),
        help=t("measure.systems_why"),
        placeholder=t("measure.systems_write"),
        max_selections=MAX_SUBJECTS,
        accept_new_options=True,
        **SETUP.bind("systems"),
    )
