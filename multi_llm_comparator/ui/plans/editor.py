"""Writing a plan by hand, or changing one, and running it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from html import escape

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_PROMPT_CHARS
from multi_llm_comparator.core.exceptions import PlanError
from multi_llm_comparator.plans.parse import PlanLimits, PlanParser
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.ui.kit.buttons import main_button, quiet_button
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.plans.state import start
from multi_llm_comparator.ui.plans.step import error_title

_DRAFT = "plans_draft"
MAX_XML_CHARS = 200_000
MAX_REPAIRS_SHOWN = 10
LIMITS = PlanLimits(max_characters=MAX_XML_CHARS, max_steps=1000, max_depth=1000)


@dataclass(frozen=True)
class Draft:
    """What the editor was opened with. ``beside`` is the run it came from; ``key`` tells this opening from others."""

    question: str
    xml: str
    beside: str | None
    key: str


def edit(question: str, xml: str, *, beside: str | None = None) -> None:
    """Open the editor; ``beside`` is the run that the edited plan came from, to be compared with."""
    st.session_state[_DRAFT] = Draft(question, xml, beside, uuid.uuid4().hex[:8])


def draw_editor() -> None:
    """The dialog, if it was asked for. Drawn outside the fragment that polls: a poll would close it."""
    draft: Draft | None = st.session_state.get(_DRAFT)
    if draft is None:
        return

    # A slip beside it must not cost what was written.
    @st.dialog(t("plan.edit_title"), width="large", dismissible=False)
    def dialog() -> None:
        question = st.text_area(
            t("plan.edit_question"),
            draft.question,
            key=f"plans_edited_question_{draft.key}",
            height=76,
            max_chars=MAX_PROMPT_CHARS,
        )
        xml = st.text_area(
            t("plan.edit_xml"),
            draft.xml,
            key=f"plans_edited_xml_{draft.key}",
            height=300,
            max_chars=MAX_XML_CHARS,
            help=t("plan.edit_why"),
        )
        plan = _checked(xml)
        with st.container(horizontal=True, horizontal_alignment="right"):
            cancelled = quiet_button("act.cancel", key="plans_edit_cancel")
            quiet_button("plan.edit_check", icon="rule", key="plans_edit_check")
            run_it = main_button(
                "plan.edit_run", icon="play_arrow", key="plans_edit_run", disabled=plan is None or not question.strip()
            )
        if cancelled or (run_it and plan is not None and start(question, plan, beside=draft.beside)):
            st.session_state.pop(_DRAFT, None)
            st.rerun()

    dialog()


def _checked(xml: str) -> Plan | None:
    """The plan, with what it looks like and what was repaired; None after saying what is wrong with it."""
    if not xml.strip():
        st.caption(t("plan.edit_empty"))
        return None
    parser = PlanParser(LIMITS)
    try:
        parser.feed(xml)
        plan = parser.close()
    except PlanError as exc:
        st.html(problem(error_title(type(exc).__name__), str(exc)))
        return None
    for repair in parser.repairs[:MAX_REPAIRS_SHOWN]:
        st.caption(tm("plan.repaired", what=repair))
    words = (tn("plan.edit_steps", len(plan.steps)), tn("plan.edit_depth", plan.depth))
    st.html(f'<div class="mlc-muted">{escape(" · ".join(words))}</div>')
    return plan
