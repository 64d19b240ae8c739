"""From a number to the items behind it: the matrix is narrowed to them, and the page scrolled to it."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.evaluation.measuring.matrix import Show

_ASKED, _COUNT, _DUE = "measure_items_asked", "measure_items_count", "measure_items_due"


def show_key(run_id: str) -> str:
    return f"measure_show_{run_id}"


def subject_key(run_id: str) -> str:
    return f"measure_subject_{run_id}"


def picked_key(run_id: str) -> str:
    return f"measure_picked_{run_id}"


def tag_key(run_id: str) -> str:
    return f"measure_tag_{run_id}"


def open_items(run_id: str, subject: str, show: Show = "all", *, tag: str = "") -> None:
    """Narrow the matrix to what one subject was asked; as a callback, before anything is drawn."""
    st.session_state[subject_key(run_id)] = subject
    st.session_state[show_key(run_id)] = show
    st.session_state[tag_key(run_id)] = tag
    st.session_state[picked_key(run_id)] = None
    st.session_state[_ASKED] = run_id


def go_where_wanted(run_id: str) -> None:
    """The matrix is drawn by another fragment than the numbers: after a click the whole page is drawn."""
    if st.session_state.pop(_ASKED, None) == run_id:
        st.session_state[_COUNT] = int(st.session_state.get(_COUNT, 0)) + 1
        st.session_state[_DUE] = f"{run_id}:{st.session_state[_COUNT]}"
        st.rerun()


def due_scroll() -> str | None:
    """The mark of the click after which the page is to be scrolled to the matrix, if there was one."""
    due: str | None = st.session_state.get(_DUE)
    return due
