"""Tags and a note on one answer, under its card."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

from multi_llm_comparator.comparison.documents import item_key
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.tracking.records import ItemMarks, ItemRef
from multi_llm_comparator.ui.history.marks import draw_tags_and_note
from multi_llm_comparator.ui.history.rows import tag_chips
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench

NOTE_CHARS = 120
_MARKS, _MARKED = "compare_marks", "compare_marked"


def load_marks(run_id: str) -> None:
    """Read the marks of a run's answers, once for each time that the whole page is drawn: the cards are drawn anew
    several times a second."""
    st.session_state[_MARKS] = attempt(lambda: get_workbench().store.marks.of_items(run_id), run_id) or {}


def draw_marks_button(answer: AnswerSnapshot, key: str) -> None:
    """What opens tags and note of an answer that is over."""
    if quiet_button("history.mark_answer", icon="sell", key=f"icon_mark_{key}"):
        st.session_state[_MARKED] = (answer.turn, answer.pane_id)
        st.rerun()


def draw_marks_dialog(snapshot: ComparisonSnapshot) -> None:
    """The dialog, if one was asked for; drawn outside the fragment that polls, which would close it."""
    turn, pane_id = st.session_state.get(_MARKED, (len(snapshot.turns), ""))
    if turn >= len(snapshot.turns) or (answer := snapshot.turns[turn].answers.get(pane_id)) is None:
        return
    item = _item(answer)
    known = _known(item)

    @st.dialog(t("history.mark_answer"), on_dismiss=_end_marking)
    def dialog() -> None:
        draw_tags_and_note(snapshot.id, known.tags, known.note, item)

    dialog()


def _end_marking() -> None:
    st.session_state.pop(_MARKED, None)


def marks_line(answer: AnswerSnapshot) -> str:
    """The tags and the beginning of the note, as HTML; empty where there are none."""
    known = _known(_item(answer))
    note = f'<span class="mlc-muted" title="{escape(known.note)}">{escape(cut_line(known.note, NOTE_CHARS))}</span>'
    shown = tag_chips(known.tags) + (note if known.note else "")
    return f'<div class="mlc-notes">{shown}</div>' if shown else ""


def _item(answer: AnswerSnapshot) -> ItemRef:
    return ItemRef(item_key(answer.turn, answer.pane_id), answer.attempt)


def _known(item: ItemRef) -> ItemMarks:
    marks: Mapping[ItemRef, ItemMarks] = st.session_state.get(_MARKS, {})
    return marks.get(item, ItemMarks())
