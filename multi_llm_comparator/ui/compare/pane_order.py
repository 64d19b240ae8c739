"""Panes change places: by dragging their letters, or by arrow keys on them."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from multi_llm_comparator.ui.compare.state import draft_panes, place_pane
from multi_llm_comparator.ui.kit.html_pieces import letter
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import Tone

_KEY = "compare_order"
_component = st.components.v2.component(
    "mlc_pane_order", html="<span></span>", js=Path(__file__).with_name("pane_order.js").read_text(encoding="utf-8")
)


def movable_badge(index: int, tone: Tone) -> str:
    """A pane's letter that can be dragged, and moved by keys."""
    label = escape(t("setup.order", letter=letter(index)))
    return (
        f'<span class="mlc-letter mlc-order" style="--tone:{tone.css}" draggable="true" tabindex="0" role="button" '
        f'aria-label="{label}" title="{label}">{letter(index)}</span>'
    )


def tend_pane_order() -> None:
    """Once on the page, where there is more than one pane."""
    panes = " ".join(pane.id for pane in draft_panes())
    _component(data={"panes": panes}, key=_KEY, on_moved_change=_moved, height="content", width="content")


def _moved() -> None:
    asked = st.session_state[_KEY].get("moved")
    if isinstance(asked, dict) and all(isinstance(asked.get(name), int) for name in ("from", "to")):
        place_pane(asked["from"], asked["to"])
