"""Compare: one prompt, up to four models, side by side."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.ui.compare.answer_actions import draw_closer_look
from multi_llm_comparator.ui.compare.answer_editor import draw_answer_editor
from multi_llm_comparator.ui.compare.answer_marks import draw_marks_dialog, load_marks
from multi_llm_comparator.ui.compare.board import draw_board
from multi_llm_comparator.ui.compare.composer import draw_composer, draw_welcome, send
from multi_llm_comparator.ui.compare.fair_row import draw_fair_row
from multi_llm_comparator.ui.compare.pane_setup import draw_setup
from multi_llm_comparator.ui.compare.prompt_editor import draw_prompt_editor
from multi_llm_comparator.ui.compare.reading import tend_reading
from multi_llm_comparator.ui.compare.run_menu import draw_heading
from multi_llm_comparator.ui.compare.state import current_run
from multi_llm_comparator.ui.compare.token_view import draw_token_view

comparison = current_run()
draw_heading(comparison)
draw_setup()
draw_fair_row(comparison)
# Emptied first: otherwise the examples would stand beneath the first turn until all of it is drawn.
welcome = st.empty()
if comparison is None or not comparison.snapshot().turns:
    with welcome.container():
        draw_welcome()
    draw_composer(comparison)
else:
    snapshot = comparison.snapshot()
    load_marks(comparison.id)
    draw_marks_dialog(snapshot)
    draw_composer(comparison)
    draw_closer_look(snapshot)
    draw_token_view(comparison, snapshot)
    draw_prompt_editor(send)
    draw_answer_editor(comparison)
    draw_board(comparison)
    tend_reading()
