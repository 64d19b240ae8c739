"""What one does with a tuned model: compare it with its base, measure both, export it, put it into plans."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.compare import state as compare
from multi_llm_comparator.ui.kit.buttons import button, main_button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.measure import state as measure
from multi_llm_comparator.ui.plans import state as plans
from multi_llm_comparator.ui.tune.again import options_of
from multi_llm_comparator.ui.tune.samples import answers_by_step
from multi_llm_comparator.ui.tune.tuned import Tuned, draw_export, tuned_of


def draw_outcome(job: JobSnapshot) -> None:
    """The buttons of a job that is done, or that was stopped and left an adapter; nothing before."""
    if not job.is_over:
        return
    tuned = tuned_of(job)
    if tuned is None:
        if job.state == "done":
            st.info(t("tune.not_found_yet"), icon=":material/search:")
        return
    with st.container(horizontal=True, key="tune_outcome"):
        if main_button("tune.compare", icon="compare", key="tune_compare", why=True, disabled=tuned.base is None):
            _compare(job, tuned)
        if button("tune.measure", icon="straighten", key="tune_measure", why=True):
            _measure(tuned)
        draw_export(tuned)
        if button("tune.plans", icon="account_tree", key="tune_plans", why=True):
            plans.RUN.leave()
            plans.use_small(tuned.target)
            go_to("plans")


def _measure(tuned: Tuned) -> None:
    """Base and tuned model as the models of a new evaluation; what they are asked is chosen there."""
    both = (tuned.base, tuned.model)
    measure.RUN.leave()
    measure.SETUP.revise(models=tuple(model.id for model in both if model is not None))
    go_to("measure")


def _compare(job: JobSnapshot, tuned: Tuned) -> None:
    """Base and tuned model in two panes of an empty comparison, with the fixed prompts to click."""
    assert tuned.base is not None
    compare.leave_run()
    config = recommended(tuned.base)
    compare.save_draft([Pane.new(tuned.base.id, config), Pane.new(tuned.model.id, config)])
    compare.offer_prompts(prompts_of(job))
    go_to("compare")


def prompts_of(job: JobSnapshot) -> Sequence[str]:
    """What was asked at each evaluation; before the first one, what was to be asked."""
    options = options_of(job)
    return list(answers_by_step(job.samples)) or (options.fixed_prompts if options is not None else ())
