"""Cooperate: several models work on one question, and what that was worth stands beside it."""

from __future__ import annotations

from multi_llm_comparator.ui.cooperate.board import draw_board
from multi_llm_comparator.ui.cooperate.composer import draw_composer, draw_welcome
from multi_llm_comparator.ui.cooperate.menu import draw_heading
from multi_llm_comparator.ui.cooperate.routing import draw_routing
from multi_llm_comparator.ui.cooperate.setup import draw_setup
from multi_llm_comparator.ui.cooperate.state import RUN
from multi_llm_comparator.ui.kit.shown_run import draw_page


def draw_start() -> None:
    draw_welcome()
    draw_routing()


draw_composer(draw_page(RUN, draw_heading, draw_start, draw_board, draw_setup=draw_setup))
