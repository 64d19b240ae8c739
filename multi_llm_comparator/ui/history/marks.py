"""What a reader adds to a run, or to one answer of it: another title, tags, a note."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from multi_llm_comparator.tracking.marks import MAX_NOTE_CHARS, MAX_TAGS
from multi_llm_comparator.tracking.records import ItemRef, RunFilter, RunSummary
from multi_llm_comparator.ui.history.kinds import open_page_of
from multi_llm_comparator.ui.history.rows import title_of
from multi_llm_comparator.ui.kit.actions import attempt, perform
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench

MAX_TITLE_CHARS = 200
MAX_OFFERED = 500
_MARKED = "history_marked"


def draw_marks_button(run: RunSummary) -> None:
    """What opens title, tags and note of a run."""

    def ask() -> None:
        st.session_state[_MARKED] = run.id

    quiet_button("history.mark", ask, icon="sell", key=f"icon_mark_{run.id}")


def draw_marks_dialog(runs: Sequence[RunSummary]) -> None:
    """The dialog, if one was asked for: a menu has too little room beside a row low on a small screen."""
    for run in runs:
        if run.id == st.session_state.get(_MARKED):
            st.dialog(t("history.mark"), on_dismiss=_end_marking)(_draw_marks)(run)


def _end_marking() -> None:
    st.session_state.pop(_MARKED, None)


def _draw_marks(run: RunSummary) -> None:
    """Each is kept as soon as it is entered."""
    key = f"history_title_{run.id}"

    def rename() -> None:
        perform(get_workbench().runs.rename(run.id, st.session_state[key]), run.id)

    st.text_input(
        t("run.title"), run.title, key=key, max_chars=MAX_TITLE_CHARS, help=t("history.title_why"), on_change=rename
    )
    draw_tags_and_note(run.id, run.tags, run.note)
    if run.parent_id is not None:
        _draw_parent(run.parent_id)


def draw_tags_and_note(run_id: str, tags: Sequence[str], note: str, item: ItemRef | None = None) -> None:
    """Tags and note of a run, or of an item of it."""
    marks = get_workbench().store.marks
    place = run_id if item is None else f"{run_id}_{item.key}_{item.attempt}"
    tags_key, note_key = f"history_tags_{place}", f"history_note_{place}"

    def keep_tags() -> None:
        attempt(lambda: marks.set_tags(run_id, st.session_state[tags_key], item), run_id)

    def keep_note() -> None:
        attempt(lambda: marks.set_note(run_id, st.session_state[note_key], item), run_id)

    known = [tag for tag, _ in attempt(marks.all_tags) or ()][:MAX_OFFERED]
    st.multiselect(
        t("history.tags"),
        list(dict.fromkeys([*tags, *known])),
        default=list(tags),
        format_func=plain,
        key=tags_key,
        accept_new_options=True,
        max_selections=MAX_TAGS,
        placeholder=t("history.tags_example"),
        on_change=keep_tags,
    )
    st.text_area(t("history.note"), note, key=note_key, max_chars=MAX_NOTE_CHARS, height=120, on_change=keep_note)


def _draw_parent(parent_id: str) -> None:
    parents = perform(get_workbench().runs.list(RunFilter(ids=(parent_id,)), 1)) or []
    for parent in parents:
        st.caption(plain(t("history.made_from", title=title_of(parent))))
        if button("history.open_parent", icon="call_split", key=f"history_parent_{parent_id}"):
            open_page_of(parent)
    if not parents:
        st.caption(t("history.made_from_gone"))
