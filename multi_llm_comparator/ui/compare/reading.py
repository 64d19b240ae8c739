"""Answers opened wide, and the keys of the page; it all happens in the browser, in ``reading.js``."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from multi_llm_comparator.ui.kit.i18n import t

_KEYS = (
    ("1 2 3 4", "panes"),
    ("0 a", "all"),
    ("Esc", "back"),
    ("j k", "turns"),
    ("s", "together"),
    ("o", "outline"),
    ("d", "differences"),
    ("n p", "changes"),
    ("← →", "order"),
    ("/", "prompt"),
    ("c", "copy"),
    ("r", "again"),
    ("u", "another"),
    ("g", "go_on"),
    ("e", "rewrite"),
    (", .", "attempts"),
    ("b", "choose"),
    ("x", "stop"),
    ("i", "look"),
    ("t", "tokens"),
    ("m", "mark"),
    ("Alt+S", "stop_all"),
    ("Alt+N", "new"),
    ("?", "keys"),
)
_FIGURES = ("speed", "ttft", "tokens", "queued", "load", "memory")
_WORDS = (
    "reading",
    "pane",
    "all",
    "all_why",
    "together",
    "together_why",
    "change",
    "outline",
    "outline_why",
    "no_outline",
    "keys",
    "figures",
    "close",
    "close_why",
)
_component = st.components.v2.component(
    "mlc_reading", html="<span></span>", js=Path(__file__).with_name("reading.js").read_text(encoding="utf-8")
)


def tend_reading() -> None:
    """Drawn once for each time that the whole page is drawn; keys work as long as it is on the page."""
    data = {
        "say": {word: t(f"read.{word}") for word in _WORDS},
        "keys": [[key, t(f"shortcuts.{name}")] for key, name in _KEYS],
        "figures": [[t(f"read.{name}"), t(f"figure.{name}_why")] for name in _FIGURES],
    }
    _component(data=data, key="compare_reading", height="content", width="content")
