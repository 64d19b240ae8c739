"""What can be done with a whole plan run: resume, run again, edit, compare, export, open another, start anew."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import KIND, PlanRun
from multi_llm_comparator.ui.history.run_files import draw_exports
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.plans.editor import edit
from multi_llm_comparator.ui.plans.runs import draw_comparison_choice, draw_runs
from multi_llm_comparator.ui.plans.state import (
    current_setup,
    leave_run,
    setup_of,
    setup_revision,
    show_run,
    start,
    taken,
)
from multi_llm_comparator.workbench import get_workbench

MAX_TITLE_CHARS = 160


def draw_heading(run: PlanRun | None) -> None:
    """The page's title line: the question on the left, what to do with it on the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="plans_heading"):
        if run is None:
            st.title(t("plan.new_title"), anchor=False, width="stretch")
        else:
            st.title(plain(cut_line(run.question, MAX_TITLE_CHARS)), anchor=False, width="stretch")
            _draw_actions(run)
        # Opening another run closes the list: it is another popover then.
        key = f"plans_runs_{setup_revision()}"
        with st.popover(t("plan.runs"), icon=":material/history:", type="tertiary", key=key, on_change="rerun") as runs:
            if runs.open:
                draw_runs()


def _draw_actions(run: PlanRun) -> None:
    if run.state in ("stopped", "interrupted", "failed"):
        st.button(
            t("plan.resume"),
            icon=":material/resume:",
            key="plans_resume",
            help=t("plan.resume_why"),
            on_click=_resume,
            args=(run.id,),
        )
    if run.is_over:
        _draw_again(run)
    st.button(
        t("plan.edit"),
        icon=":material/edit_note:",
        type="tertiary",
        key="plans_edit",
        help=t("plan.edit_plan_why"),
        disabled=run.plan is None,
        on_click=_edit,
        args=(run,),
    )
    with st.popover(
        t("plan.compare"), icon=":material/stacked_bar_chart:", type="tertiary", key="plans_compare", on_change="rerun"
    ) as compare:
        if compare.open:
            draw_comparison_choice(run)
    with st.popover(
        t("run.export"), icon=":material/download:", type="tertiary", key="plans_export", on_change="rerun"
    ) as export:
        if export.open:
            draw_exports(KIND, run.id, run.created_at, run.question, leave_out=() if run.plan else ("xml",))
    st.button(
        t("run.new"),
        icon=":material/add_comment:",
        type="tertiary",
        key="plans_new",
        on_click=leave_run,
        shortcut="Alt+N",
    )


def _draw_again(run: PlanRun) -> None:
    """Run again with the setup above: the same plan, or a new one from the planner."""
    is_changed = current_setup() != setup_of(run.options)
    with st.popover(
        t("plan.again"), icon=":material/replay:", type="primary" if is_changed else "tertiary", key="plans_again"
    ):
        st.caption(t("plan.again_changed" if is_changed else "plan.again_same"))
        st.button(
            t("plan.again_plan"),
            icon=":material/account_tree:",
            key="plans_again_plan",
            help=t("plan.again_plan_why"),
            disabled=run.plan is None or run.plan_is_direct,
            width="stretch",
            on_click=_again,
            args=(run, run.plan),
        )
        st.button(
            t("plan.again_planner"),
            icon=":material/psychology:",
            key="plans_again_planner",
            help=t("plan.again_planner_why"),
            disabled=not current_setup().planner,
            width="stretch",
            on_click=_again,
            args=(run, None),
        )


def _again(run: PlanRun, plan: Plan | None) -> None:
    start(run.question, plan, beside=run.id)


def _resume(run_id: str) -> None:
    if (run := perform(get_workbench().runs.resume(run_id, PlanRun), run_id)) is not None:
        show_run(run.id)


def _edit(run: PlanRun) -> None:
    latest = taken(run)
    if latest.plan is not None:
        edit(latest.question, latest.plan.to_xml(), beside=latest.id)
