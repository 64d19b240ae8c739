"""History: every run so far, to find again, mark, open, export, set beside another or delete."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.compare.state import open_run
from multi_llm_comparator.ui.history.beside import draw_beside
from multi_llm_comparator.ui.history.filters import draw_filters, draw_search, take_filters_from_address
from multi_llm_comparator.ui.history.picked import leave_pair, pair_in_address
from multi_llm_comparator.ui.history.run_files import draw_import
from multi_llm_comparator.ui.history.run_list import draw_runs
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to


def show(run_id: str) -> None:
    open_run(run_id)
    go_to("compare", run=run_id)


pair = pair_in_address()
take_filters_from_address()
with st.container(horizontal=True, vertical_alignment="center", key="history_heading"):
    st.title(t("nav.history" if pair is None else "history.beside_title"), anchor=False, width="stretch")
    if pair is not None:
        button("history.beside_end", leave_pair, icon="arrow_back", key="history_beside_end")
    else:
        draw_search()
        with st.popover(
            t("run.import"), icon=":material/upload:", type="tertiary", key="history_import", on_change="rerun"
        ) as box:
            if box.open:
                draw_import(show)
if pair is not None:
    draw_beside(*pair)
else:
    draw_runs(draw_filters())
