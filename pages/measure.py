"""Measure: many prompts or a published task, several models, scores, and a verdict with its uncertainty."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.measure.board import draw_board
from multi_llm_comparator.ui.measure.lm_eval import asked_job, draw_job
from multi_llm_comparator.ui.measure.menu import draw_heading
from multi_llm_comparator.ui.measure.set_editor import draw_set_editor
from multi_llm_comparator.ui.measure.setup import draw_setup
from multi_llm_comparator.ui.measure.state import RUN

job = asked_job()
run = RUN.current() if job is None else None
if job is None:
    draw_heading(run)
# Emptied first: otherwise the setup would stand beneath a new run until all of it is drawn.
setup = st.empty()
if job is not None:
    draw_job(job)
elif run is None:
    with setup.container():
        draw_setup()
else:
    draw_board(run)
draw_set_editor()
