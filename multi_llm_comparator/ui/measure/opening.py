"""From a number to the items behind it: the matrix is narrowed to them, and the page scrolled to it."""

from __future__ import annotations

from typing import Literal

import streamlit as st

from multi_llm_comparator.evaluation.measuring.matrix import Show

_ASKED, _TURNS = "measure_items_asked", "measure_turns"
# What of a run's matrix the session keeps: the filters, the table's own choice, and the item that is open.
Kept = Literal["show", "subject", "tag", "source", "text", "between", "matrix", "tags", "picked"]


def kept_key(name: Kept, run_id: str) -> str:
    return f"measure_{name}_{run_id}"


def open_items(run_id: str, subject: str, show: Show = "all", *, tag: str = "", source: str = "") -> None:
    """Narrow the matrix to what one subject was asked, and by nothing else; as a callback, before anything is drawn."""
    wanted: dict[Kept, object] = {
        "show": show,
        "subject": subject,
        "tag": tag,
        "source": source,
        "text": "",
        "between": (0.0, 1.0),
        "picked": None,
    }
    for name, value in wanted.items():
        st.session_state[kept_key(name, run_id)] = value
    st.session_state[_ASKED] = run_id
    _turn()


def pick(run_id: str, number: int | None) -> None:
    """Open an item's answers; None closes them."""
    st.session_state[kept_key("picked", run_id)] = number
    if number is not None:
        _turn()


def go_where_wanted(run_id: str) -> None:
    """The matrix is drawn by another fragment than the numbers: after a click the whole page is drawn."""
    if st.session_state.pop(_ASKED, None) == run_id:
        st.rerun()


def turns() -> int:
    """How often the reader turned to other items, or to an item's answers: each time the page is scrolled there."""
    return int(st.session_state.get(_TURNS, 0))


def _turn() -> None:
    st.session_state[_TURNS] = turns() + 1
