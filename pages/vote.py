"""Vote: two (or four) answers whose authors are hidden; what many such votes say of the models."""

from __future__ import annotations

from multi_llm_comparator.ui.kit.shown_run import draw_page
from multi_llm_comparator.ui.vote.board import draw_board
from multi_llm_comparator.ui.vote.menu import draw_heading
from multi_llm_comparator.ui.vote.setup import draw_setup
from multi_llm_comparator.ui.vote.state import RUN

draw_page(RUN, draw_heading, draw_setup, draw_board)
