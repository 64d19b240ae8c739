"""What can be done with a whole run: stop, resume, export, open another, set up another."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.applications.documents import KIND
from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.applications.words import title_without_document
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.history.run_files import draw_exports
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.services.state import leave_run, open_run, set_up_again, show_run, taken
from multi_llm_comparator.workbench import get_workbench

MAX_TITLE_CHARS = 100


def draw_heading(run: ServiceRun | None) -> None:
    """The page's title line: the run's name on the left, what to do with it on the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="services_heading"):
        if run is None:
            st.title(t("services.new_title"), anchor=False, width="stretch")
        else:
            snapshot = taken(run)
            st.title(plain(cut_line(_title(snapshot), MAX_TITLE_CHARS)), anchor=False, width="stretch")
            _draw_actions(run, snapshot)
        key = f"services_runs_{run.id if run else ''}"
        with st.popover(t("run.runs"), icon=":material/history:", type="tertiary", key=key, on_change="rerun") as runs:
            if runs.open:
                draw_recent(KIND, open_run, key="services_runs")


def _title(snapshot: ServiceSnapshot) -> str:
    """Its document's name; without one, what is done, in the reader's language."""
    if snapshot.title != title_without_document(snapshot.spec):
        return snapshot.title
    return f"{t(f'services.{snapshot.spec.service_type}')}: {t(f'services.kind_{snapshot.spec.kind}')}"


def _draw_actions(run: ServiceRun, snapshot: ServiceSnapshot) -> None:
    if snapshot.is_running:
        st.button(
            t("act.stop"),
            icon=":material/stop_circle:",
            key="services_stop",
            shortcut="Alt+S",
            disabled=snapshot.owner is not None,
            on_click=lambda: perform(get_workbench().runs.stop(run.id), run.id),
        )
    elif snapshot.state != "done":
        st.button(
            t("services.resume"),
            icon=":material/resume:",
            key="services_resume",
            help=t("services.resume_why"),
            type="primary",
            on_click=_resume,
            args=(run.id,),
        )
    with st.popover(
        t("run.export"), icon=":material/download:", type="tertiary", key="services_export", on_change="rerun"
    ) as export:
        if export.open:
            draw_exports(KIND, run.id, run.created_at, snapshot.title)
    st.button(
        t("services.again"),
        icon=":material/replay:",
        type="tertiary",
        key="services_again",
        help=t("services.again_why"),
        on_click=set_up_again,
        args=(run,),
    )
    st.button(
        t("run.new"), icon=":material/add:", type="tertiary", key="services_new", on_click=leave_run, shortcut="Alt+N"
    )


def _resume(run_id: str) -> None:
    if (run := perform(get_workbench().applications.resume(run_id), run_id)) is not None:
        show_run(run.id)
