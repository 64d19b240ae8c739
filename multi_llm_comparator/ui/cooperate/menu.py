"""What can be done with a whole cooperation: resume, run again, export, open another, start anew."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.cooperation.documents import KIND
from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.ui.cooperate.state import leave_run, open_run, resume, setup_revision, start
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.history.run_files import draw_exports
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t

MAX_TITLE_CHARS = 160


def draw_heading(run: CooperationRun | None) -> None:
    """The page's title line: the question on the left, what to do with it on the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="cooperate_heading"):
        title = t("cooperate.new_title") if run is None else plain(cut_line(run.title, MAX_TITLE_CHARS))
        st.title(title, anchor=False, width="stretch")
        if run is not None:
            _draw_actions(run)
        key = f"cooperate_runs_{setup_revision()}"
        with st.popover(t("plan.runs"), icon=":material/history:", type="tertiary", key=key, on_change="rerun") as runs:
            if runs.open:
                draw_recent(KIND, open_run, key="cooperate_runs")


def _draw_actions(run: CooperationRun) -> None:
    if run.state in ("stopped", "interrupted", "failed"):
        st.button(
            t("plan.resume"),
            icon=":material/resume:",
            key="cooperate_resume",
            help=t("cooperate.resume_why"),
            on_click=resume,
            args=(run.id,),
        )
    if run.is_over:
        st.button(
            t("plan.again"),
            icon=":material/replay:",
            type="tertiary",
            key="cooperate_again",
            help=t("cooperate.again_why"),
            on_click=_again,
            args=(run.spec.question,),
        )
    with st.popover(
        t("run.export"), icon=":material/download:", type="tertiary", key="cooperate_export", on_change="rerun"
    ) as export:
        if export.open:
            draw_exports(KIND, run.id, run.created_at, run.title)
    st.button(
        t("run.new"),
        icon=":material/add_comment:",
        type="tertiary",
        key="cooperate_new",
        on_click=leave_run,
        shortcut="Alt+N",
    )


def _again(question: str) -> None:
    start(question)
