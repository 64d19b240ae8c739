"""The list of past runs: search, open, export, delete."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.comparison.documents import KIND
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.ui.compare.state import forget_run, open_run
from multi_llm_comparator.ui.history.run_files import draw_exports
from multi_llm_comparator.ui.kit.actions import inform, perform
from multi_llm_comparator.ui.kit.html_pieces import empty, model_label, moment, note_chip
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.kit.palette import STATE_TONES, UNKNOWN, Tone, model_tone
from multi_llm_comparator.workbench import get_workbench

PAGE_SIZE = 20
_STATUS_TONES = {
    "running": STATE_TONES["running"],
    "done": STATE_TONES["done"],
    "failed": STATE_TONES["failed"],
    "queued": STATE_TONES["queued"],
    "stopped": STATE_TONES["stopped"],
    "interrupted": STATE_TONES["stopped"],
}


def draw_runs(text: str) -> None:
    """One page of runs that contain ``text``, newest first."""
    runs = get_workbench().runs
    total = perform(runs.count(RunFilter(kind=KIND, text=text))) or 0
    if total == 0:
        _draw_nothing(text)
        return
    page = min(st.session_state.get("history_page", 0), (total - 1) // PAGE_SIZE)
    for run in perform(runs.list(RunFilter(kind=KIND, text=text), PAGE_SIZE, page * PAGE_SIZE)) or []:
        _draw_run(run)
    if total > PAGE_SIZE:
        _draw_paging(page, total)


def _draw_nothing(text: str) -> None:
    if text:
        st.html(empty(t("history.no_match"), t("history.no_match_text", text=text)))
        return
    st.html(empty(t("history.empty"), t("history.empty_text")))
    with st.container(horizontal=True, horizontal_alignment="center"):
        if st.button(t("history.to_compare"), icon=":material/view_column:", key="history_compare", type="primary"):
            go_to("compare")


def _draw_run(run: RunSummary) -> None:
    with st.container(border=True, key=f"run_{run.id}", horizontal=True, vertical_alignment="center", wrap=False):
        st.html(_row(run), width="stretch")
        if st.button(t("history.open"), icon=":material/open_in_new:", key=f"history_open_{run.id}", type="tertiary"):
            open_run(run.id)
            go_to("compare", run=run.id)
        with st.popover(
            t("run.export"),
            icon=":material/download:",
            type="tertiary",
            key=f"icon_export_{run.id}",
            on_change="rerun",
        ) as export:
            if export.open and (comparison := perform(get_workbench().comparisons.get(run.id), run.id)):
                draw_exports(comparison.snapshot, comparison.snapshot())
        with st.popover(
            t("history.delete"),
            icon=":material/delete:",
            type="tertiary",
            key=f"icon_delete_{run.id}",
            on_change="rerun",
        ) as delete:
            if delete.open:
                st.write(t("history.delete_sure"))
                st.button(
                    t("history.delete_yes"),
                    key=f"history_delete_yes_{run.id}",
                    type="primary",
                    on_click=_delete,
                    args=(run.id,),
                )


def _delete(run_id: str) -> None:
    perform(get_workbench().runs.delete([run_id]), run_id)
    forget_run(run_id)
    inform(t("history.deleted"))


def _row(run: RunSummary) -> str:
    models = "".join(f"<span>{model_label(name, _tone_of(name))}</span>" for name in run.detail.split(", ") if name)
    status = note_chip(t(f"status.{run.status}"), "", _STATUS_TONES.get(run.status, UNKNOWN))
    when = moment(run.created_at, now(), st.context.timezone)
    return (
        f'<div class="mlc-run"><div class="mlc-row-title" title="{escape(run.title)}">{escape(run.title)}</div>'
        f'<div class="mlc-models"><span class="mlc-muted">{when}</span>{status}{models}</div></div>'
    )


def _tone_of(name: str) -> Tone:
    model = get_workbench().models.find(name)
    return model_tone(model.id) if model else UNKNOWN


def _draw_paging(page: int, total: int) -> None:
    def turn_to(number: int) -> None:
        st.session_state["history_page"] = number

    last = (total - 1) // PAGE_SIZE
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(
            t("history.newer"),
            icon=":material/chevron_left:",
            disabled=page == 0,
            on_click=turn_to,
            args=(page - 1,),
            key="history_newer",
            type="tertiary",
        )
        first_shown, last_shown = page * PAGE_SIZE + 1, min(total, (page + 1) * PAGE_SIZE)
        st.html(
            f'<span class="mlc-muted">{escape(tn("history.range", total, first=first_shown, last=last_shown))}</span>',
            width="content",
        )
        st.button(
            t("history.older"),
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=page >= last,
            on_click=turn_to,
            args=(page + 1,),
            key="history_older",
            type="tertiary",
        )
