"""Cooperate: several models work on one question, and what that was worth stands beside it."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.cooperate.board import draw_board
from multi_llm_comparator.ui.cooperate.composer import draw_composer, draw_welcome
from multi_llm_comparator.ui.cooperate.menu import draw_heading
from multi_llm_comparator.ui.cooperate.routing import draw_routing
from multi_llm_comparator.ui.cooperate.setup import draw_setup
from multi_llm_comparator.ui.cooperate.state import RUN

run = RUN.current()
draw_heading(run)
draw_setup()
# Emptied first: otherwise the examples would stand beneath a new run until all of it is drawn.
welcome = st.empty()
if run is None:
    with welcome.container():
        draw_welcome()
        draw_routing()
else:
    draw_board(run)
draw_composer(run)
