"""The History page's list of runs, a page at a time, and what can be done with each."""

from __future__ import annotations

from functools import partial
from html import escape

import streamlit as st

from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.ui.history.filters import clear_filters, has_filters
from multi_llm_comparator.ui.history.kinds import KINDS, open_page_of
from multi_llm_comparator.ui.history.marks import draw_marks_button, draw_marks_dialog
from multi_llm_comparator.ui.history.picked import delete_runs, draw_pick, draw_pick_all, draw_picked
from multi_llm_comparator.ui.history.rows import row, told_title
from multi_llm_comparator.ui.history.run_files import draw_exports
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import button, main_button, opener, quiet_button
from multi_llm_comparator.ui.kit.html_pieces import empty
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.workbench import get_workbench

PAGE_SIZE = 20


def draw_runs(wanted: RunFilter) -> None:
    """One page of the runs that are wanted, newest first."""
    stored = get_workbench().runs
    if (total := perform(stored.count(wanted))) is None:
        return
    draw_picked()
    if total == 0:
        _draw_nothing()
        return
    pages = (total - 1) // PAGE_SIZE + 1
    page = min(max(1, int(st.session_state.get("history_page", 1))), pages)
    runs = perform(stored.list(wanted, PAGE_SIZE, (page - 1) * PAGE_SIZE)) or []
    draw_pick_all(runs)
    parents = _titles_of_parents(runs)
    with st.container(key="history_runs", gap="xsmall"):
        for run in runs:
            _draw_run(run, parents.get(run.parent_id or "", ""))
    _draw_paging(page, pages, total)
    draw_marks_dialog(runs)


def _titles_of_parents(runs: list[RunSummary]) -> dict[str, str]:
    wanted = tuple({run.parent_id for run in runs if run.parent_id is not None})
    found = perform(get_workbench().runs.list(RunFilter(ids=wanted), len(wanted))) if wanted else None
    return {parent.id: told_title(parent.title) for parent in found or ()}


def _draw_nothing() -> None:
    if has_filters():
        st.html(empty(t("history.no_match"), t("history.no_match_text")))
        with st.container(horizontal=True, horizontal_alignment="center"):
            button("history.clear", clear_filters, icon="filter_alt_off", key="history_show_all")
        return
    st.html(empty(t("history.empty"), t("history.empty_text")))
    with st.container(horizontal=True, horizontal_alignment="center"):
        # The first kind of each page stands for all that begins there.
        firsts = reversed({known.page: (kind, known) for kind, known in reversed(KINDS.items())}.values())
        for place, (kind, known) in enumerate(firsts):
            draw = button if place else main_button
            if draw(f"history.begin_{kind}", icon=known.icon, key=f"history_begin_{kind}"):
                go_to(known.page)


def _draw_run(run: RunSummary, parent: str) -> None:
    with st.container(
        border=True, key=f"run_{run.id}", horizontal=True, vertical_alignment="center", wrap=False, gap="xsmall"
    ):
        draw_pick(run)
        st.html(row(run, parent=parent), width="stretch")
        if quiet_button(
            "history.open", icon="open_in_new", key=f"history_open_{run.id}", disabled=run.kind not in KINDS
        ):
            open_page_of(run)
        draw_marks_button(run)
        draw = partial(draw_exports, run.kind, run.id, run.created_at, run.title)
        opener("run.export", draw, icon="download", key=f"icon_export_{run.id}", type="tertiary")
        opener("history.delete", _draw_delete, run.id, icon="delete", key=f"icon_delete_{run.id}", type="tertiary")


def _draw_delete(run_id: str) -> None:
    st.write(t("history.delete_sure"))
    main_button("history.delete_yes", delete_runs, [run_id], key=f"history_delete_yes_{run_id}")


def _draw_paging(page: int, pages: int, total: int) -> None:
    first, last = (page - 1) * PAGE_SIZE + 1, min(total, page * PAGE_SIZE)
    with st.container(
        horizontal=True, horizontal_alignment="center", vertical_alignment="center", key="history_paging"
    ):
        words = tn("history.range", total, first=f"{first:,}", last=f"{last:,}", total=f"{total:,}")
        st.html(f'<span class="mlc-muted">{escape(words)}</span>', width="content")
        if pages > 1:
            st.pagination(pages, key="history_page")
