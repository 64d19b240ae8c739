"""Plans: a question split into steps, solved together by small and large models, watched as it happens."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.plans.board import draw_board
from multi_llm_comparator.ui.plans.composer import draw_composer, draw_welcome
from multi_llm_comparator.ui.plans.editor import draw_editor
from multi_llm_comparator.ui.plans.menu import draw_heading
from multi_llm_comparator.ui.plans.setup import draw_setup
from multi_llm_comparator.ui.plans.state import RUN

run = RUN.current()
draw_heading(run)
draw_setup()
# Emptied first: otherwise the examples would stand beneath a new run until all of it is drawn.
welcome = st.empty()
if run is None:
    with welcome.container():
        draw_welcome()
else:
    draw_board(run)
draw_composer(run)
draw_editor()
