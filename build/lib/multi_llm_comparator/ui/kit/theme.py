"""The look that Streamlit's theme settings cannot express, from one style sheet."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

ICON = Path(__file__).parent / "icon.svg"
_STYLES = Path(__file__).parent / "workbench.css"


def apply_styles() -> None:
    """Put the style sheet into the page; it takes no room."""
    st.html(_STYLES)


def page_tone() -> str:
    """ "light" or "dark", as the reader's page is now; charts need to know."""
    return "dark" if st.context.theme.type == "dark" else "light"
