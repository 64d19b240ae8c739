"""What can be done with a whole session of votes: stop, resume, export, share, open another, set up another."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.ui.compare.state import open_run as open_comparison
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.history.run_files import draw_exports, draw_import
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.vote.state import leave_run, open_run, set_up_again, show_run, taken
from multi_llm_comparator.voting.documents import KIND
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.vote_run import VoteRun
from multi_llm_comparator.workbench import get_workbench

MAX_TITLE_CHARS = 120


def draw_heading(run: VoteRun | None) -> None:
    """The page's title line: what is voted on at the left, what to do with it at the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="vote_heading"):
        if run is None:
            st.title(t("vote.new_title"), anchor=False, width="stretch")
        else:
            snapshot = taken(run)
            st.title(plain(cut_line(snapshot.title, MAX_TITLE_CHARS)), anchor=False, width="stretch")
            _draw_actions(run, snapshot)
        key = f"vote_runs_{run.id if run else ''}"
        with st.popover(t("run.runs"), icon=":material/history:", type="tertiary", key=key, on_change="rerun") as runs:
            if runs.open:
                draw_recent(KIND, open_run, key="vote_runs")
                draw_import(_open_comparison)


def _draw_actions(run: VoteRun, snapshot: VotingSnapshot) -> None:
    if snapshot.is_running:
        st.button(
            t("act.stop"),
            icon=":material/stop_circle:",
            key="vote_stop",
            shortcut="Alt+S",
            disabled=snapshot.owner is not None,
            on_click=lambda: perform(get_workbench().runs.stop(run.id), run.id),
        )
    elif snapshot.state != "done":
        st.button(
            t("vote.resume"),
            icon=":material/resume:",
            key="vote_resume",
            type="primary",
            help=t("vote.resume_why"),
            on_click=_resume,
            args=(run.id,),
        )
    with st.popover(
        t("run.export"), icon=":material/download:", type="tertiary", key="vote_export", on_change="rerun"
    ) as export:
        if export.open:
            draw_exports(KIND, run.id, run.created_at, snapshot.title)
    st.button(
        t("vote.again"),
        icon=":material/replay:",
        type="tertiary",
        key="vote_again",
        help=t("vote.again_why"),
        on_click=set_up_again,
        args=(run,),
    )
    st.button(
        t("run.new"),
        icon=":material/add:",
        type="tertiary",
        key="vote_new",
        on_click=leave_run,
        shortcut="Alt+N",
    )


def _resume(run_id: str) -> None:
    if (run := perform(get_workbench().votes.resume(run_id), run_id)) is not None:
        show_run(run.id)


def _open_comparison(run_id: str) -> None:
    """A comparison that was exported as JSON is opened where it belongs."""
    open_comparison(run_id)
    go_to("compare", run=run_id)
