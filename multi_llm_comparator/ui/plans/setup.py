"""The row above a plan: who plans, who solves easy and hard steps, where hard begins, how many at once."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.plans.plan import EASIEST, HARDEST
from multi_llm_comparator.plans.saved import PREFIX, SavedPlans
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.buttons import opener
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import dot
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import UNKNOWN
from multi_llm_comparator.ui.plans.state import MAX_WORKERS, SETUP
from multi_llm_comparator.ui.plans.targets import known_targets, offered_targets

# These have their name, and what it means, above them.
_LABELLED: dict[str, Any] = {"words": "plan", "label_visibility": "collapsed", "help": None}


def draw_setup() -> None:
    """Three models, the threshold, the workers; the rest behind a button."""
    setup = SETUP.current()
    targets = known_targets()
    offered = offered_targets(setup.planner, setup.small, setup.large)
    with st.container(key="plans_setup"):
        planner, small, large, threshold, workers, more = st.columns(
            [3, 3, 3, 1.6, 1.6, 0.7], gap="small", vertical_alignment="bottom"
        )
        with planner:
            _draw_target("planner", setup.planner, ["", *offered], {"": t("plan.by_hand"), **targets})
        with small:
            _draw_target("small", setup.small, offered, targets, off=not setup.enable_threshold)
        with large:
            _draw_target("large", setup.large, offered, targets)
        with threshold:
            _draw_label(t("plan.threshold"), t("plan.threshold_why"))
            SETUP.number("threshold", EASIEST, HARDEST + 1, disabled=not setup.enable_threshold, **_LABELLED)
        with workers:
            _draw_label(t("plan.workers"), t("plan.workers_why"))
            SETUP.number("workers", 1, MAX_WORKERS, **_LABELLED)
        with more:
            opener("plan.more", _draw_more, icon="tune", key="icon_plans_tune")


def _draw_label(text: str, why: str, tone: str = "") -> None:
    st.html(f'<div class="mlc-label" title="{escape(why)}">{tone}{escape(text)}</div>')


def _draw_target(part: str, value: str, options: list[str], names: dict[str, str], *, off: bool = False) -> None:
    tone = tone_of(value) if value else UNKNOWN
    _draw_label(t(f"plan.part_{part}"), t(f"plan.part_{part}_why"), dot(tone))
    if value not in options:
        options = [value, *options]
    SETUP.choice(
        part,
        f"plan.part_{part}",
        options,
        lambda target: names.get(target, t("setup.gone", name=target)),
        label_visibility="collapsed",
        disabled=off,
    )


def _draw_more() -> None:
    SETUP.switch("enable_threshold", "plan.enable_threshold", why=True)
    SETUP.switch("ends_with_last_step", "plan.ends_with_last_step", why=True)
    SETUP.line("result_after", "plan.result_after", why=True, max_chars=20)
    _draw_save()


def _draw_save() -> None:
    """Keep the setup under a name by which programs ask it."""
    with st.form("plans_save_form", clear_on_submit=True, border=False):
        name = st.text_input(
            t("plan.save_as"),
            key="plans_save_name",
            help=t("plan.save_as_why"),
            placeholder=t("plan.save_as_example"),
            max_chars=60,
            autocomplete="off",
        ).strip()
        if st.form_submit_button(t("plan.save_as_button"), key="plans_save") and name:
            if attempt(lambda: SavedPlans().save(name, SETUP.current().options())) is not None:
                inform(t("plan.saved_as", target=f"{PREFIX}{name}"))
            st.rerun()
