"""Editing an answer by hand: the conversation, or the model itself, goes on from what one wrote."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button
from multi_llm_comparator.ui.kit.i18n import t

_DRAFT = "compare_rewritten"


@dataclass(frozen=True)
class _Draft:
    """Which answer the editor was opened with; ``key`` tells this opening from others."""

    run_id: str
    pane_id: str
    text: str
    key: str


def draw_rewrite_button(run_id: str, answer: AnswerSnapshot, key: str) -> None:
    """Under an answer; opens the editor with its text."""
    if quiet_button("rewrite.title", icon="edit_note", key=f"icon_rewrite_{key}", help=t("rewrite.why")):
        st.session_state[_DRAFT] = _Draft(run_id, answer.pane_id, answer.text, uuid.uuid4().hex[:8])
        st.rerun()


def draw_answer_editor(comparison: Comparison) -> None:
    """The dialog, if it was asked for. Drawn outside the fragment that polls: a poll would close it."""
    draft: _Draft | None = st.session_state.get(_DRAFT)
    if draft is None or draft.run_id != comparison.id:
        return

    # A slip beside it must not cost what was written.
    @st.dialog(t("rewrite.title"), width="large", dismissible=False)
    def dialog() -> None:
        text = st.text_area(
            t("rewrite.text"),
            draft.text,
            key=f"compare_rewritten_{draft.key}",
            height=320,
            label_visibility="collapsed",
        )
        st.caption(t("rewrite.why"))
        with st.container(horizontal=True, horizontal_alignment="right"):
            cancelled = quiet_button("act.cancel", key="compare_rewrite_cancel")
            kept = button("rewrite.keep", icon="check", key="compare_rewrite_keep", disabled=not text.strip())
            goes_on = main_button(
                "rewrite.go_on", icon="resume", key="compare_rewrite_go_on", disabled=not text.strip()
            )
        if cancelled or ((kept or goes_on) and _rewrite(comparison, draft, text, go_on=goes_on)):
            st.session_state.pop(_DRAFT, None)
            st.rerun()

    dialog()


def _rewrite(comparison: Comparison, draft: _Draft, text: str, *, go_on: bool) -> bool:
    async def work() -> bool:
        await comparison.rewrite(draft.pane_id, text, go_on=go_on)
        return True

    return perform(work(), draft.run_id) is True
