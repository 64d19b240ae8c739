"""Groups: one name for many models, a box to try them, and how each model is doing."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.groups.editor import draw_editing_buttons, draw_group_editor
from multi_llm_comparator.ui.groups.group_list import ASKED_FOR
from multi_llm_comparator.ui.groups.trial import draw_trial
from multi_llm_comparator.ui.groups.view import draw_groups
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import visits
from multi_llm_comparator.ui.kit.scrolling import scroll_to

with st.container(horizontal=True, vertical_alignment="center", key="groups_heading"):
    st.title(t("nav.groups"), anchor=False)
    draw_editing_buttons()
draw_trial()
entry = st.query_params.get("entry", "")
draw_groups(entry)
if entry:
    scroll_to(ASKED_FOR, f"groups {visits()} {entry}")
draw_group_editor()
