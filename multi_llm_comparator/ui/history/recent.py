"""The latest runs of one kind in a menu: to open one, or to do something else with it."""

from __future__ import annotations

from collections.abc import Callable, Collection

import streamlit as st

from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.ui.history.rows import row
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.workbench import get_workbench

SHOWN, MOST_SHOWN = 12, 120


def draw_recent(
    kind: str,
    act: Callable[[str], None],
    *,
    key: str,
    does: str = "open",
    icon: str = "open_in_new",
    leave_out: Collection[str] = (),
    first: Callable[[RunSummary], bool] = lambda _: False,
) -> None:
    """A search box, and a dozen runs that it finds, more at a click; the whole list is on the History page.

    Args:
        kind: of which kind.
        act: what a run's button does, given its id.
        key: tells the widgets of this list from those of another.
        does: the button's name under ``history`` in the locales.
        icon: the button's.
        leave_out: ids of runs that are not offered.
        first: those it is true of come first.
    """
    text = st.text_input(
        t("history.search"),
        key=f"{key}_search",
        placeholder=t("history.search"),
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=200,
        width=380,
    ).strip()
    runs, wanted = get_workbench().runs, RunFilter(kind=kind, text=text)
    shown = min(int(st.session_state.get(f"{key}_shown", SHOWN)), MOST_SHOWN)
    listed = perform(runs.list(wanted, shown)) or []
    for run in sorted((run for run in listed if run.id not in leave_out), key=lambda run: not first(run)):
        with st.container(
            horizontal=True, vertical_alignment="center", wrap=False, gap="xsmall", key=f"{key}_row_{run.id}"
        ):
            st.html(row(run, shows_kind=False), width="stretch")
            quiet_button(f"history.{does}", act, run.id, icon=icon, key=f"icon_{key}_{does}_{run.id}")
    if not listed:
        st.caption(t("history.no_match"))
    elif len(listed) == shown:
        _draw_rest((perform(runs.count(wanted)) or 0) - shown, shown, key)
    if quiet_button("history.all_runs", icon="history", key=f"{key}_all"):
        go_to("history", kind=kind)


def _draw_rest(left: int, shown: int, key: str) -> None:
    """What the list does not have: another dozen at a click, or what to do if it has grown long."""
    if left <= 0:
        return
    if shown >= MOST_SHOWN:
        st.caption(tn("history.more_runs", left))
        return

    def show_more() -> None:
        st.session_state[f"{key}_shown"] = shown + SHOWN

    quiet_button("history.show_more", show_more, icon="expand_more", key=f"{key}_more", values={"n": left})
