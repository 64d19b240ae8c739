"""Settings: language, places with models, memory, bounds."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.settings.api_keys_form import draw_api_keys
from multi_llm_comparator.ui.settings.keys_form import draw_keys
from multi_llm_comparator.ui.settings.settings_form import draw_form, draw_language

with st.container(key="settings_page"):
    st.title(t("nav.settings"), anchor=False)
    draw_language()
    draw_form()
    draw_keys()
    draw_api_keys()
