"""Writing a plan by hand, or changing one, and running it."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_PROMPT_CHARS
from multi_llm_comparator.core.exceptions import PlanError
from multi_llm_comparator.plans.parse import PlanLimits, parse_plan
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.ui.html_pieces import problem
from multi_llm_comparator.ui.i18n import t, tn
from multi_llm_comparator.ui.plan_state import start
from multi_llm_comparator.ui.plan_step import error_title

_DRAFT = "plans_draft"
MAX_XML_CHARS = 200_000
LIMITS = PlanLimits(max_characters=MAX_XML_CHARS, max_steps=1000, max_depth=1000)


def edit(question: str, xml: str, *, beside: str | None = None) -> None:
    """Open the editor; ``beside`` is the run that the edited plan came from, to be compared with."""
    st.session_state[_DRAFT] = (question, xml, beside)
    st.session_state["plans_edited_question"] = question
    st.session_state["plans_edited_xml"] = xml


def draw_editor() -> None:
    """The dialog, if it was asked for. Drawn outside the fragment that polls: a poll would close it."""
    if _DRAFT not in st.session_state:
        return

    @st.dialog(t("plan.edit_title"), width="large", on_dismiss=_dismiss)
    def dialog() -> None:
        question = st.text_area(
            t("plan.edit_question"), key="plans_edited_question", height=76, max_chars=MAX_PROMPT_CHARS
        )
        xml = st.text_area(
            t("plan.edit_xml"), key="plans_edited_xml", height=300, max_chars=MAX_XML_CHARS, help=t("plan.edit_why")
        )
        plan = _checked(xml)
        with st.container(horizontal=True, horizontal_alignment="right"):
            st.button(t("plan.edit_check"), key="plans_edit_check", icon=":material/rule:", type="tertiary")
            run_it = st.button(
                t("plan.edit_run"),
                key="plans_edit_run",
                icon=":material/play_arrow:",
                type="primary",
                disabled=plan is None or not question.strip(),
            )
        if run_it and plan is not None:
            beside = st.session_state[_DRAFT][2]
            if start(question, plan, beside=beside):
                _dismiss()
                st.rerun()

    dialog()


def _checked(xml: str) -> Plan | None:
    """The plan, with what it looks like; None after saying what is wrong with it."""
    try:
        plan = parse_plan(xml, limits=LIMITS)
    except PlanError as exc:
        st.html(problem(error_title(type(exc).__name__), str(exc)))
        return None
    words = (tn("plan.edit_steps", len(plan.steps)), tn("plan.edit_depth", plan.depth))
    st.html(f'<div class="mlc-muted">{escape(" · ".join(words))}</div>')
    return plan


def _dismiss() -> None:
    st.session_state.pop(_DRAFT, None)
