"""The page's title line, and what can be done with a whole job."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.again import duplicate
from multi_llm_comparator.ui.tune.beside import draw_beside_choice
from multi_llm_comparator.ui.tune.jobs import TUNING, delete, resume, stop
from multi_llm_comparator.ui.tune.state import draft_revision, leave_run, open_run

MAX_TITLE_CHARS = 160
_RESUMABLE = ("stopped", "failed", "interrupted")


def draw_heading(job: JobSnapshot | None) -> None:
    """The title on the left, what to do with it on the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="tune_heading"):
        if job is None:
            st.title(t("tune.new_title"), anchor=False, width="stretch")
        else:
            st.title(plain(cut_line(job.title, MAX_TITLE_CHARS)), anchor=False, width="stretch")
            _draw_actions(job)
        # Opening another job closes the list: it is another popover then.
        key = f"tune_runs_{job.id if job else ''}_{draft_revision()}"
        with st.popover(t("tune.runs"), icon=":material/history:", type="tertiary", key=key, on_change="rerun") as runs:
            if runs.open:
                draw_recent(TUNING, open_run, key="tune_runs")


def _draw_actions(job: JobSnapshot) -> None:
    _draw_stop_or_resume(job)
    st.button(
        t("tune.duplicate"),
        icon=":material/content_copy:",
        type="tertiary",
        key="tune_duplicate",
        help=t("tune.duplicate_why"),
        on_click=duplicate,
        args=(job,),
    )
    with st.popover(
        t("tune.beside"), icon=":material/ssid_chart:", type="tertiary", key="tune_beside", on_change="rerun"
    ) as beside:
        if beside.open:
            draw_beside_choice(job)
    with st.popover(
        t("tune.delete"), icon=":material/delete:", type="tertiary", key="tune_delete", on_change="rerun"
    ) as gone:
        if gone.open:
            _draw_delete(job)
    st.button(
        t("run.new"),
        icon=":material/add_comment:",
        type="tertiary",
        key="tune_new",
        on_click=leave_run,
        shortcut="Alt+N",
    )


def _draw_stop_or_resume(job: JobSnapshot) -> None:
    if not job.is_over:
        st.button(
            t("act.stop"),
            icon=":material/stop_circle:",
            key="tune_stop",
            help=t("tune.stop_why"),
            shortcut="Alt+S",
            disabled=job.phase == "stopping",
            on_click=stop,
            args=(job.id,),
        )
    elif job.state in _RESUMABLE:
        st.button(
            t("tune.resume"),
            icon=":material/resume:",
            key="tune_resume",
            type="primary",
            help=t("tune.resume_why"),
            on_click=resume,
            args=(job.id,),
        )


def _draw_delete(job: JobSnapshot) -> None:
    st.write(t("tune.delete_sure"))
    with_artefacts = st.checkbox(t("tune.delete_artefacts"), key=f"tune_delete_artefacts_{job.id}")
    st.button(
        t("history.delete_yes"),
        key="tune_delete_yes",
        type="primary",
        on_click=delete,
        args=(job.id,),
        kwargs={"with_artefacts": with_artefacts},
    )
