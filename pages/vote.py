"""Vote: two (or four) answers whose authors are hidden; what many such votes say of the models."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.vote.board import draw_board
from multi_llm_comparator.ui.vote.menu import draw_heading
from multi_llm_comparator.ui.vote.setup import draw_setup
from multi_llm_comparator.ui.vote.state import RUN

run = RUN.current()
draw_heading(run)
# Emptied first: otherwise the setup, with its names, would stand beneath a new session until all of it is drawn.
setup = st.empty()
if run is None:
    with setup.container():
        draw_setup()
else:
    draw_board(run)
