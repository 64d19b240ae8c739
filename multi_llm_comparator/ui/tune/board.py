"""A job as one watches it: state, figures, curves, answers old beside new, and its log."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.palette import MODEL_TONES
from multi_llm_comparator.ui.kit.theme import page_tone
from multi_llm_comparator.ui.tune.again import options_of
from multi_llm_comparator.ui.tune.curves import JobLine, loss_chart, small_charts
from multi_llm_comparator.ui.tune.figures import status, strip
from multi_llm_comparator.ui.tune.jobs import taken
from multi_llm_comparator.ui.tune.lineage import draw_lineage
from multi_llm_comparator.ui.tune.samples import draw_samples, draw_validation

POLL_S = 1.0
WATCH_S = 3.0
MAX_LOG_CHARS = 20_000


def draw_board(seen: JobSnapshot, beside: list[JobSnapshot]) -> None:
    """Everything of a job; redrawn every second while it is at work. ``beside`` are other jobs for the same chart."""
    stage = (seen.state, bool(seen.samples))

    @st.fragment(run_every=WATCH_S if seen.is_over else POLL_S)
    def live() -> None:
        show_notices()
        latest = taken(seen.id)
        # The buttons above depend on these. A job that is over may be resumed in another tab.
        if latest is None or (latest.state, bool(latest.samples)) != stage:
            st.rerun()
        _draw(latest, beside)

    live()


def _draw(job: JobSnapshot, beside: list[JobSnapshot]) -> None:
    st.html(status(job))
    if job.state == "running" and job.progress is not None:
        st.progress(job.progress.share)
    st.html(strip(job))
    # A job that ended before its first step leaves nothing to draw.
    if not job.is_over or job.curves or beside:
        _draw_charts(job, beside)
    answers, rows, data, log = st.tabs(
        [t("tune.tab_answers"), t("tune.tab_validation"), t("tune.tab_lineage"), t("tune.tab_log")], key="tune_tabs"
    )
    with answers:
        options = options_of(job)
        draw_samples(job, options.fixed_prompts if options is not None else ())
    with rows:
        draw_validation(job)
    with data:
        draw_lineage(job)
    with log:
        _draw_log(job)


def _draw_charts(job: JobSnapshot, beside: list[JobSnapshot]) -> None:
    page, name = page_tone(), f"tuning-{job.id}"
    lines = [
        JobLine(one.title, MODEL_TONES[place % len(MODEL_TONES)], one.curves)
        for place, one in enumerate([job, *beside])
    ]
    with st.container(key="tune_charts"):
        left, right = st.columns([3, 2], gap="small")
        with left:
            live_chart(loss_chart(lines, page), "tune_losses", alt=t("tune.losses_alt"), name=name)
        with right:
            figure = small_charts(job.curves, MODEL_TONES[0], page)
            live_chart(figure, "tune_small", alt=t("tune.small_alt"), name=f"{name}-course")


def _draw_log(job: JobSnapshot) -> None:
    text = "\n".join(job.log_tail)[-MAX_LOG_CHARS:]
    if text:
        st.code(text, language=None, wrap_lines=True, height=320)
    else:
        st.html(f'<div class="mlc-waiting">{escape(t("tune.no_log"))}</div>')
    if job.folder:
        st.html(f'<div class="mlc-muted">{escape(t("tune.folder", folder=job.folder))}</div>')
