"""What a page shows while there is nothing on it: what it is for, or that there are no models yet."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.ui.kit.buttons import main_button
from multi_llm_comparator.ui.kit.html_pieces import empty
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.workbench import get_workbench


def draw_hero(title: str, text: str) -> None:
    """What the page is for."""
    st.html(f'<div class="mlc-hero"><h2>{escape(title)}</h2><p>{escape(text)}</p></div>')


def draw_no_models(page: str, title: str) -> None:
    """There is nobody to ask: where models come from. Nothing as long as they are still being looked for."""
    if get_workbench().models.is_scanning:
        return
    st.html(empty(title, t("welcome.no_models_text")))
    with st.container(horizontal=True, horizontal_alignment="center"):
        if main_button("act.open_models", icon="deployed_code", key=f"{page}_to_models"):
            go_to("models")
