"""Plans: a question split into steps, solved together by small and large models, watched as it happens."""

from __future__ import annotations

from multi_llm_comparator.ui.kit.shown_run import draw_page
from multi_llm_comparator.ui.plans.board import draw_board
from multi_llm_comparator.ui.plans.composer import draw_composer, draw_welcome
from multi_llm_comparator.ui.plans.editor import draw_editor
from multi_llm_comparator.ui.plans.menu import draw_heading
from multi_llm_comparator.ui.plans.setup import draw_setup
from multi_llm_comparator.ui.plans.state import RUN

draw_composer(draw_page(RUN, draw_heading, draw_welcome, draw_board, draw_setup=draw_setup))
draw_editor()
