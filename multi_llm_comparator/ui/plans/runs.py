"""Past plan runs in the page's menus: to be opened, or shown beneath the one that is open."""

from __future__ import annotations

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.plans.options import KIND
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.plans.state import RUN, compare_with, compared_run


def draw_runs() -> None:
    """The latest runs, or those that contain a text; each opens at one click."""
    draw_recent(KIND, RUN.open, key="plans_runs")


def draw_comparison_choice(run: PlanRun) -> None:
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
