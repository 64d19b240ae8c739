"""Measure: many prompts or a published task, several models, scores, and a verdict with its uncertainty."""

from __future__ import annotations

from multi_llm_comparator.ui.kit.shown_run import draw_page
from multi_llm_comparator.ui.measure.board import draw_board
from multi_llm_comparator.ui.measure.lm_eval import asked_job, draw_job
from multi_llm_comparator.ui.measure.menu import draw_heading
from multi_llm_comparator.ui.measure.set_editor import draw_set_editor
from multi_llm_comparator.ui.measure.setup import draw_setup
from multi_llm_comparator.ui.measure.state import RUN

if (job := asked_job()) is not None:
    draw_job(job)
else:
    draw_page(RUN, draw_heading, draw_setup, draw_board)
draw_set_editor()
