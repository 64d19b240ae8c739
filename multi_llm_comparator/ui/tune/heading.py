"""The page's title line, and what can be done with a whole job."""

from __future__ import annotations

from functools import partial
from typing import Literal

import streamlit as st

from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.history import run_heading
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.buttons import main_button, opener, quiet_button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.again import duplicate
from multi_llm_comparator.ui.tune.beside import draw_beside_choice
from multi_llm_comparator.ui.tune.jobs import TUNING, delete, resume, stop
from multi_llm_comparator.ui.tune.state import draft_revision, leave_run, open_run

_RESUMABLE = ("stopped", "failed", "interrupted")


def draw_heading(job: JobSnapshot | None) -> None:
    """The title on the left, what to do with it on the right."""
    title, key = t("tune.new_title"), draft_revision()
    run_heading.draw_heading("tune", job, _draw_runs, _draw_actions, new_title=title, runs="tune.runs", key=key)


def _draw_runs() -> None:
    draw_recent(TUNING, open_run, key="tune_runs")


def _draw_actions(job: JobSnapshot) -> None:
    if not job.is_over:
        run_heading.draw_stop("tune", job.id, stop, help=t("tune.stop_why"), disabled=job.phase == "stopping")
    elif job.state in _RESUMABLE:
        # Of a failed one the next step stands beside what went wrong.
        kind: Literal["primary", "secondary"] = "secondary" if job.state == "failed" else "primary"
        run_heading.draw_resume("tune", "tune.resume", resume, job.id, why=True, type=kind)
    quiet_button("tune.duplicate", duplicate, job, icon="content_copy", key="tune_duplicate", why=True)
    opener("tune.beside", draw_beside_choice, job, icon="ssid_chart", key="tune_beside", type="tertiary")
    opener("tune.delete", _draw_delete, job, icon="delete", key="tune_delete", type="tertiary")
    run_heading.draw_new("tune", leave_run)


def _draw_delete(job: JobSnapshot) -> None:
    st.write(t("tune.delete_sure"))
    with_artefacts = st.checkbox(t("tune.delete_artefacts"), key=f"tune_delete_artefacts_{job.id}")
    main_button("history.delete_yes", partial(delete, job.id, with_artefacts=with_artefacts), key="tune_delete_yes")
