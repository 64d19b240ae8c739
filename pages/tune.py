"""Tune: teach a local model from data, watch it learn, and compare it with what it was."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.training.data.distillation import DistillationSnapshot
from multi_llm_comparator.ui.tune.beside import draw_differences
from multi_llm_comparator.ui.tune.board import draw_board
from multi_llm_comparator.ui.tune.heading import draw_heading
from multi_llm_comparator.ui.tune.jobs import current, jobs_beside
from multi_llm_comparator.ui.tune.outcome import draw_outcome
from multi_llm_comparator.ui.tune.queue import draw_queue
from multi_llm_comparator.ui.tune.review import draw_review, draw_review_heading
from multi_llm_comparator.ui.tune.trouble import draw_trouble
from multi_llm_comparator.ui.tune.welcome import draw_new


def draw_job(job: JobSnapshot) -> None:
    beside = jobs_beside(job)
    draw_trouble(job)
    draw_outcome(job)
    draw_board(job, beside)
    if beside:
        draw_differences([job, *beside])


run = current()
if isinstance(run, DistillationSnapshot):
    draw_review_heading(run)
else:
    draw_heading(run)
draw_queue(run.id if run else None)
# Emptied first: otherwise the blocks would stand beneath a new job until all of it is drawn.
fresh = st.empty()
if run is None:
    with fresh.container():
        draw_new()
elif isinstance(run, DistillationSnapshot):
    draw_review(run)
else:
    draw_job(run)
