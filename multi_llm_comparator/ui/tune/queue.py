"""The queue: what runs, what waits and for what, in which order."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.history.rows import state_of_run
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.tune.figures import phase_name, waits_for
from multi_llm_comparator.ui.tune.jobs import at_work, move_up, stop, unload_idle
from multi_llm_comparator.ui.tune.state import open_run

POLL_S = 1.5
MAX_SHOWN = 12


def draw_queue(open_id: str | None) -> None:
    """Jobs at work, but for one that is open by itself; nothing where there are none."""
    seen = [(job.id, job.state) for job in at_work()]
    if not seen or [run_id for run_id, _ in seen] == [open_id]:
        # Looked at again whenever the page is drawn; a job that is open by itself is followed by its board.
        return

    @st.fragment(run_every=POLL_S)
    def live() -> None:
        show_notices()
        jobs = at_work()
        if [(job.id, job.state) for job in jobs] != seen:
            st.rerun()
        _draw(jobs, open_id)

    live()


def _draw(jobs: list[JobSnapshot], open_id: str | None) -> None:
    if [job.id for job in jobs] == [open_id]:
        return
    with st.container(border=True, key="tune_queue"):
        st.html(f'<div class="mlc-label">{escape(t("tune.queue"))}</div>')
        waiting = 0
        for job in jobs[:MAX_SHOWN]:
            waiting += job.state == "queued"
            _draw_job(job, is_open=job.id == open_id, can_move=waiting > 1)
        if len(jobs) > MAX_SHOWN:
            st.caption(tn("tune.queue_more", len(jobs) - MAX_SHOWN))


def _draw_job(job: JobSnapshot, *, is_open: bool, can_move: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key=f"tune_queued_{job.id}"):
        st.html(_row(job), width="stretch")
        if job.waits_for is not None and job.waits_for.idle:
            quiet_button("tune.unload_idle", unload_idle, job, icon="eject", key=f"tune_unload_{job.id}", why=True)
        if job.state == "queued":
            quiet_button(
                "tune.move_up",
                move_up,
                job.id,
                icon="arrow_upward",
                key=f"icon_tune_up_{job.id}",
                disabled=not can_move,
            )
        quiet_button("act.stop", stop, job.id, icon="stop", key=f"icon_tune_stop_{job.id}")
        if not is_open and quiet_button("history.open", icon="open_in_new", key=f"icon_tune_open_{job.id}"):
            # The whole page shows another job now.
            open_run(job.id)
            st.rerun()


def _row(job: JobSnapshot) -> str:
    said = waits_for(job) if job.state == "queued" else _at_work(job)
    title = f'<div class="mlc-row-title" title="{escape(job.title)}">{escape(job.title)}</div>'
    state = f'{state_of_run(job.state)}<span class="mlc-muted">{escape(said)}</span>'
    return f'<div class="mlc-run">{title}<div class="mlc-models">{state}</div></div>'


def _at_work(job: JobSnapshot) -> str:
    progress = job.progress
    if progress is None:
        return phase_name(job.phase)
    words = [phase_name(job.phase), f"{progress.done:,} / {progress.total:,}"]
    if progress.left_s is not None:
        words.append(t("tune.left_n", left=say.seconds(progress.left_s)))
    return " · ".join(words)
