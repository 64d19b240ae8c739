"""Models: what was found, what is wrong with it, what is in memory, and how to get more."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.compare.preparing import draw_preparation
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.models.convert import draw_conversions, draw_convert_dialog
from multi_llm_comparator.ui.models.details import draw_details
from multi_llm_comparator.ui.models.downloads import draw_downloads, draw_search
from multi_llm_comparator.ui.models.memory_view import draw_loaded
from multi_llm_comparator.ui.models.model_list import SORTS, draw_models, matching
from multi_llm_comparator.ui.models.own_words import model_notes
from multi_llm_comparator.ui.models.starter_list import draw_starter_list
from multi_llm_comparator.workbench import get_workbench, scan_again

manager = get_workbench().models
with st.container(horizontal=True, vertical_alignment="center", key="models_heading"):
    st.title(t("nav.models"), anchor=False, width="stretch")
    text = st.text_input(
        t("models.filter"),
        key="models_filter",
        placeholder=t("models.filter"),
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=200,
        width=260,
    )
    sort = st.selectbox(
        t("models.sort"),
        list(SORTS),
        key="models_sort",
        format_func=lambda name: t(f"models.sort_{name}"),
        label_visibility="collapsed",
        width=170,
    )
    button("models.rescan", scan_again, icon="refresh", key="models_rescan")
    with st.popover(t("download.title"), icon=":material/download:", key="models_download", on_change="rerun") as box:
        if box.open:
            draw_search()
draw_preparation("models")
draw_loaded()
draw_downloads()
draw_starter_list()
draw_conversions()
notes = attempt(model_notes().all) or {}
draw_models(matching(manager.get_available_models(), text, sort, notes), text, notes)
for note in manager.scan_notes:
    st.caption(plain(note))
draw_details()
draw_convert_dialog()
