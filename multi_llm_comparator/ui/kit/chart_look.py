"""What all charts look like: their inks, on light pages and on dark ones, and what their layouts share."""

from __future__ import annotations

from html import escape
from typing import Any

from multi_llm_comparator.core.readable import cut_line

Figure = dict[str, Any]

MAX_LABEL_CHARS = 40

INK = {"light": "#1c2027", "dark": "#e7e9ee"}
MUTED = {"light": "#6b7280", "dark": "#9aa3b2"}
FAINT = {"light": "rgba(28,32,39,0.10)", "dark": "rgba(231,233,238,0.12)"}


def label(text: str) -> str:
    """A name as a label, of at most ``MAX_LABEL_CHARS``: Plotly reads markup, and fields of its own in it."""
    return escape(cut_line(text, MAX_LABEL_CHARS), quote=False).replace("%{", "%&#123;")


def layout(page: str) -> Figure:
    """The page shows through, nothing is dragged or zoomed. ``page`` is "light" or "dark"."""
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"size": 12.5},
        "hoverlabel": {"align": "left"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": MUTED[page]},
        "dragmode": False,
    }
