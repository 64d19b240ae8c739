"""From a model to the pages that do something with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.conversion.convert import possible_targets
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.ui.compare import state as compare
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.measure import state as measure
from multi_llm_comparator.ui.tune import state as tune
from multi_llm_comparator.ui.tune.bases import tunable_models


def draw_ways_on(model: ModelInfo, convert: Callable[[ModelInfo], None]) -> None:
    """Compare, measure, tune this: each page opens with the model set up. ``convert`` asks into what."""
    with st.container(horizontal=True, key=f"models_ways_{model.id}"):
        if button("models.compare_this", icon="view_column", key=f"models_compare_{model.id}"):
            _compare(model)
        if button("models.measure_this", icon="straighten", key=f"models_measure_{model.id}"):
            _measure(model)
        if any(one.id == model.id for one in tunable_models()) and button(
            "models.tune_this", icon="model_training", key=f"models_tune_{model.id}"
        ):
            tune.leave_run()
            tune.set_draft(replace(tune.current_draft(), base=model.id))
            go_to("tune")
        if possible_targets(model) and button(
            "convert.title", icon="swap_horiz", key=f"models_details_convert_{model.id}"
        ):
            convert(model)


def _compare(model: ModelInfo) -> None:
    """The model in the first pane of an empty comparison, beside those that were there."""
    compare.leave_run()
    others = [pane for pane in compare.draft_panes() if pane.target != model.id]
    compare.save_draft([Pane.new(model.id, recommended(model)), *others][:MAX_PANES])
    go_to("compare")


def _measure(model: ModelInfo) -> None:
    """The model among those of a new evaluation."""
    measure.RUN.leave()
    others = [target for target in measure.SETUP.current().models if target != model.id]
    measure.SETUP.revise(models=(model.id, *others))
    go_to("measure")
