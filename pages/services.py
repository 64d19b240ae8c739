"""Services: a document analysed with sources, data explained by its figures, a decision with its weights."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.services.board import draw_board
from multi_llm_comparator.ui.services.menu import draw_heading
from multi_llm_comparator.ui.services.setup import draw_setup
from multi_llm_comparator.ui.services.state import RUN

run = RUN.current()
draw_heading(run)
# Emptied first: otherwise the setup would stand beneath a new run until all of it is drawn.
setup = st.empty()
if run is None:
    with setup.container():
        draw_setup()
else:
    draw_board(run)
