"""The row above a question: mode, members, who combines; the rest behind a button; beneath it the mode's worth."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.cooperation.integration import strategy_names
from multi_llm_comparator.cooperation.spec import MAX_MEMBERS, MAX_ROUNDS, MAX_SAMPLES, MODES, PREFIX
from multi_llm_comparator.cooperation.words import WORDS, words_of
from multi_llm_comparator.ui.cooperate.state import SETUP
from multi_llm_comparator.ui.cooperate.worth import worth_line
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.buttons import button, opener
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.plans.targets import known_targets, offered_targets
from multi_llm_comparator.workbench import get_workbench

INTEGRATING = ("sequential", "parallel", "ensemble", "council")


def draw_setup() -> None:
    """What the next question is answered with."""
    setup, say = SETUP.current(), words_of(current_language())
    names = known_targets()
    offered = offered_targets(*setup.members, setup.integrator)
    with st.container(key="cooperate_setup"):
        mode, members, more = st.columns([1.5, 5, 0.5], gap="small", vertical_alignment="bottom")
        with mode:
            SETUP.choice("mode", "cooperate.mode", MODES, lambda one: say(f"mode_{one}"))
        members.multiselect(
            t("cooperate.members"),
            [*setup.members, *(target for target in offered if target not in setup.members)],
            list(setup.members),
            format_func=lambda target: names.get(target, t("setup.gone", name=target)),
            max_selections=MAX_MEMBERS,
            placeholder=t("cooperate.members_none"),
            wrap=True,
            **SETUP.bind("members"),
        )
        with more:
            opener("plan.more", _draw_more, offered, names, icon="tune", key="icon_cooperate_tune")
    about = escape(say(f"about_{setup.mode}"))
    st.html(f'<div class="mlc-coop-about">{about} {worth_line(setup.mode, setup.members)}</div>')


def _draw_more(offered: list[str], names: dict[str, str]) -> None:
    setup, words = SETUP.current(), WORDS[current_language()]
    if setup.mode in INTEGRATING:
        SETUP.choice(
            "integration",
            "cooperate.integration",
            ["", *strategy_names()],
            lambda one: words.get(f"strategy_{one}", one) if one else t("cooperate.integration_usual"),
        )
    SETUP.choice(
        "integrator",
        "cooperate.integrator",
        ["", *offered],
        lambda target: names.get(target, target) if target else t("cooperate.integrator_first"),
        why=True,
    )
    if setup.mode in ("voting", "ensemble"):
        SETUP.number("rounds", 1, MAX_ROUNDS)
    if setup.mode in ("ensemble", "cascade"):
        SETUP.number("samples", 1, MAX_SAMPLES)
    if setup.mode == "voting":
        SETUP.switch("stop_early", "cooperate.stop_early")
    SETUP.temperature()
    SETUP.number("max_tokens", 1, get_workbench().settings.max_tokens_limit)
    SETUP.number("deadline_s", 0, 86_400)
    button(
        "cooperate.keep",
        _keep,
        icon="bookmark_add",
        key="cooperate_keep",
        why=True,
        values={"name": f"{PREFIX}{setup.mode}"},
        width="stretch",
    )


def _keep() -> None:
    """Have the model name of this mode mean this setup."""
    setup = SETUP.current()
    if (spec := attempt(lambda: setup.spec("?"))) is None:
        return
    if attempt(lambda: get_workbench().saved_cooperations.save(setup.mode, spec)) is not None:
        inform(t("cooperate.kept", name=f"{PREFIX}{setup.mode}"))
