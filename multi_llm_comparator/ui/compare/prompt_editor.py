"""Asking an earlier prompt otherwise: what came before it is kept, what came after it stays in the run as it was."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_PROMPT_CHARS
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.ui.compare.state import show_run
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import main_button, quiet_button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench

_DRAFT = "compare_edited"


@dataclass(frozen=True)
class _Draft:
    """Which prompt the editor was opened with; ``key`` tells this opening from others."""

    run_id: str
    turn: int
    prompt: str
    images: tuple[StoredImage, ...]
    key: str


def draw_edit_button(run_id: str, turn: int, prompt: str, images: tuple[StoredImage, ...] = ()) -> None:
    """Beside a prompt; opens the editor with it."""
    if quiet_button("board.edit", icon="edit", key=f"icon_edit_{turn}", why=True):
        st.session_state[_DRAFT] = _Draft(run_id, turn, prompt, images, uuid.uuid4().hex[:8])
        st.rerun()


def draw_prompt_editor(send: Callable[[str, tuple[StoredImage, ...]], bool]) -> None:
    """The dialog, if it was asked for. Drawn outside the fragment that polls: a poll would close it.

    Args:
        send: asks the open run a prompt with images; whether that was accepted.
    """
    draft: _Draft | None = st.session_state.get(_DRAFT)
    if draft is None:
        return

    # A slip beside it must not cost what was written.
    @st.dialog(t("board.edit"), width="large", dismissible=False)
    def dialog() -> None:
        prompt = st.text_area(
            t("board.edit_prompt"),
            draft.prompt,
            key=f"compare_edited_{draft.key}",
            height=180,
            max_chars=MAX_PROMPT_CHARS,
            label_visibility="collapsed",
        )
        st.caption(t("board.edit_why"))
        with st.container(horizontal=True, horizontal_alignment="right"):
            cancelled = quiet_button("act.cancel", key="compare_edit_cancel")
            asked = main_button("board.edit_ask", icon="send", key="compare_edit_ask", disabled=not prompt.strip())
        if cancelled or (asked and _ask(draft, prompt, send)):
            st.session_state.pop(_DRAFT, None)
            st.rerun()

    dialog()


def _ask(draft: _Draft, prompt: str, send: Callable[[str, tuple[StoredImage, ...]], bool]) -> bool:
    comparison = perform(get_workbench().comparisons.branch(draft.run_id, draft.turn), draft.run_id)
    if comparison is None:
        return False
    show_run(comparison.id)
    return send(prompt, draft.images)
