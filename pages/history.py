"""History: every comparison so far, to find again, open, export or delete."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.compare.state import open_run
from multi_llm_comparator.ui.history.run_files import draw_import
from multi_llm_comparator.ui.history.run_list import draw_runs
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to


def show(run_id: str) -> None:
    open_run(run_id)
    go_to("compare", run=run_id)


with st.container(horizontal=True, vertical_alignment="center", key="history_heading"):
    st.title(t("nav.history"), anchor=False, width="stretch")
    text = st.text_input(
        t("history.search"),
        key="history_search",
        placeholder=t("history.search"),
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=200,
        width=320,
    )
    with st.popover(
        t("run.import"), icon=":material/upload:", type="tertiary", key="history_import", on_change="rerun"
    ) as box:
        if box.open:
            draw_import(show)
draw_runs(text.strip())
