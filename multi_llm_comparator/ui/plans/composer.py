"""Where one asks: the box pinned below, and on an empty page what it is for, with examples to click."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.ui.history.run_heading import draw_stop
from multi_llm_comparator.ui.kit.actions import warn
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.live_chart import prepare_charts
from multi_llm_comparator.ui.kit.prompt_box import prompt_box
from multi_llm_comparator.ui.kit.welcome import draw_hero, draw_no_models
from multi_llm_comparator.ui.plans.editor import edit
from multi_llm_comparator.ui.plans.examples import examples, template
from multi_llm_comparator.ui.plans.state import SETUP, start
from multi_llm_comparator.ui.plans.targets import default_planner, known_targets


def draw_composer(run: PlanRun | None) -> None:
    """The question box, with a button to stop the run while it is at work."""
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        prompt_box("plans_question", t("plan.placeholder"), ask, disabled=not known_targets())
        if run is not None and not (run.is_over or run.owner):
            draw_stop("plans", run.id)


def ask(question: str, plan: Plan | None = None) -> bool:
    """Answer a question; without a planner its plan is written by hand first, unless there is one already.

    False when that was refused; the reader has been told then.
    """
    if not question.strip():
        warn(t("composer.empty"))
        return False
    if SETUP.current().planner:
        return start(question)
    if plan is not None:
        return start(question, plan)
    edit(question, template(question, current_language()).to_xml())
    return True


def _ask_example(question: str, plan: Plan) -> None:
    ask(question, plan)


def draw_welcome() -> None:
    """For a page without a run: what it is for, and something to try at once."""
    targets = known_targets()
    if not targets:
        draw_no_models("plans", t("plan.no_models"))
        return
    draw_hero(t("plan.welcome"), t("plan.welcome_text"))
    if not SETUP.current().planner:
        why = t("plan.no_planner_chosen") if default_planner(targets) else t("plan.no_planner")
        with st.container(key="plans_no_planner"):
            st.info(why, icon=":material/edit_note:")
    with st.container(key="plans_examples"):
        left, right = st.columns(2)
        for position, example in enumerate(examples(current_language())):
            (left if position % 2 == 0 else right).button(
                plain(example.question),
                key=f"plans_example_{example.name}",
                width="stretch",
                on_click=_ask_example,
                args=(example.question, example.plan),
            )
    prepare_charts("plans_prepare")
