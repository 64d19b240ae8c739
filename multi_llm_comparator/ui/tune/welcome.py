"""The page without a job: what it is for, the set-up of a new one, and data written by a model."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.live_chart import prepare_charts
from multi_llm_comparator.ui.tune.distill import draw_distillation
from multi_llm_comparator.ui.tune.jobs import TUNING
from multi_llm_comparator.ui.tune.setup import draw_setup
from multi_llm_comparator.workbench import get_workbench


def draw_new() -> None:
    """What the page is for, until something was tuned; then two tabs."""
    if get_workbench().models.is_scanning:
        return
    if not perform(get_workbench().runs.count(RunFilter(kind=TUNING))):
        said = f"<h2>{escape(t('tune.welcome'))}</h2><p>{escape(t('tune.welcome_text'))}</p>"
        st.html(f'<div class="mlc-hero mlc-tune-hero">{said}</div>')
    tune, write = st.tabs([t("tune.tab_tune"), t("tune.tab_write")], key="tune_new_tabs", on_change="rerun")
    with tune:
        if tune.open:
            draw_setup()
    with write:
        if write.open:
            draw_distillation()
    prepare_charts("tune_prepare")
