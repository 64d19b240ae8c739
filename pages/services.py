"""Services: a document analysed with sources, data explained by its figures, a decision with its weights."""

from __future__ import annotations

from multi_llm_comparator.ui.kit.shown_run import draw_page
from multi_llm_comparator.ui.services.board import draw_board
from multi_llm_comparator.ui.services.menu import draw_heading
from multi_llm_comparator.ui.services.setup import draw_setup
from multi_llm_comparator.ui.services.state import RUN

draw_page(RUN, draw_heading, draw_setup, draw_board)
