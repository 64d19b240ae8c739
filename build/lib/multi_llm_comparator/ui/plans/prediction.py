"""What earlier runs tell of a run, with how fast models are looked up only when that can have changed."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.plans.metrics import RunMetrics
from multi_llm_comparator.plans.outlook import Outlook, Prediction, Profiles
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.prediction.outlook import outlook_of
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.workbench import get_workbench

MAX_KEPT = 20


def outlook_on(run: PlanRun) -> Outlook:
    """What models are like is looked up when the plan is there, and when the run is over."""
    kept: dict[tuple[str, bool, int], Profiles] = st.session_state.setdefault("plans_profiles", {})
    if run.plan is None:
        return Outlook(None, None)
    # A run may be over more than once: it is stopped, and resumed.
    key = (run.id, run.is_over, len(run.pauses))
    if key not in kept:
        if len(kept) > MAX_KEPT:
            kept.clear()
        kept[key] = _profiles(run)
    return outlook_of(run, kept[key])


def critical_path(run: PlanRun, metrics: RunMetrics, prediction: Prediction | None) -> tuple[str, ...]:
    """The chain that no more workers could shorten: as it was, or as it should be while the run is at work.

    Before anything can be predicted it is the longest chain so far.
    """
    if prediction is None or run.is_over:
        return metrics.critical_path
    return prediction.schedule.critical_path


def _profiles(run: PlanRun) -> Profiles:
    earlier = get_workbench().calibration.profiles(without=run.id, before=run.created_at)
    return perform(earlier, run.id) or {}
