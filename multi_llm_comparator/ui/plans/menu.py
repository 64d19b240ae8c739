"""What can be done with a whole plan run: resume, run again, edit, compare, export, open another, start anew."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.plans.options import KIND
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.ui.history import run_heading
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.buttons import button, opener, quiet_button
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.plans.editor import edit
from multi_llm_comparator.ui.plans.state import RUN, SETUP, compare_with, compared_run, setup_of, start


def draw_heading(run: PlanRun | None) -> None:
    """The page's title line: the question on the left, what to do with it on the right."""
    title, key = t("plan.new_title"), SETUP.revision
    run_heading.draw_heading("plans", run, draw_runs, _draw_actions, new_title=title, runs="plan.runs", key=key)


def _draw_actions(run: PlanRun) -> None:
    if run.state in ("stopped", "interrupted", "failed"):
        run_heading.draw_resume("plans", "plan.resume", RUN.resume, run.id, why=True)
    if run.is_over:
        _draw_again(run)
    quiet_button(
        "plan.edit",
        _edit,
        run,
        icon="edit_note",
        key="plans_edit",
        help=t("plan.edit_plan_why"),
        disabled=run.plan is None,
    )
    opener("plan.compare", _draw_comparison_choice, run, icon="stacked_bar_chart", key="plans_compare", type="tertiary")
    leave_out = () if run.plan else ("xml",)
    run_heading.draw_export("plans", KIND, run.id, run.created_at, run.question, leave_out=leave_out)
    run_heading.draw_new("plans", RUN.leave)


def _draw_again(run: PlanRun) -> None:
    """Run again with the setup above: the same plan, or a new one from the planner."""
    is_changed = SETUP.current() != setup_of(run.options)
    with st.popover(
        t("plan.again"), icon=":material/replay:", type="primary" if is_changed else "tertiary", key="plans_again"
    ):
        st.caption(t("plan.again_changed" if is_changed else "plan.again_same"))
        button(
            "plan.again_plan",
            _again,
            run,
            run.plan,
            icon="account_tree",
            key="plans_again_plan",
            why=True,
            disabled=run.plan is None or run.plan_is_direct,
            width="stretch",
        )
        button(
            "plan.again_planner",
            _again,
            run,
            None,
            icon="psychology",
            key="plans_again_planner",
            why=True,
            disabled=not SETUP.current().planner,
            width="stretch",
        )


def _again(run: PlanRun, plan: Plan | None) -> None:
    start(run.question, plan, beside=run.id)


def _edit(run: PlanRun) -> None:
    latest = RUN.taken(run)
    if latest.plan is not None:
        edit(latest.question, latest.plan.to_xml(), beside=latest.id)


def draw_runs() -> None:
    """The latest runs, or those that contain a text; each opens at one click."""
    draw_recent(KIND, RUN.open, key="plans_runs")


def _draw_comparison_choice(run: PlanRun) -> None:
    """The run to show beneath this one, on the same clock; runs of the same question come first."""
    other = compared_run()
    if other is not None:
        button("plan.compare_end", compare_with, None, icon="close", key="plans_compare_end")
    question = cut_line(run.question, 100).removesuffix("…")
    draw_recent(
        KIND,
        compare_with,
        key="plans_compare",
        does="compare",
        icon="stacked_bar_chart",
        leave_out={run.id} if other is None else {run.id, other.id},
        first=lambda listed: listed.title.startswith(question),
    )
