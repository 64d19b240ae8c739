"""Where one asks: the box pinned below, and on an empty page what the modes are for, with examples to click."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.cooperation.run import CooperationRun
from multi_llm_comparator.cooperation.spec import MODES
from multi_llm_comparator.cooperation.words import words_of
from multi_llm_comparator.ui.cooperate.state import SETUP, start
from multi_llm_comparator.ui.cooperate.worth import worth_line
from multi_llm_comparator.ui.history.run_heading import draw_stop
from multi_llm_comparator.ui.kit.actions import warn
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import table
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.live_chart import prepare_charts
from multi_llm_comparator.ui.kit.prompt_box import prompt_box
from multi_llm_comparator.ui.kit.welcome import draw_hero, draw_no_models
from multi_llm_comparator.ui.plans.targets import known_targets

# Modes with a question that shows what they do, in the locales.
EXAMPLES = ("voting", "cascade", "pipeline", "council")


def draw_composer(run: CooperationRun | None) -> None:
    """The question box, with a button to stop the run while it is at work."""
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        prompt_box("cooperate_question", t("cooperate.placeholder"), ask, disabled=not SETUP.current().members)
        if run is not None and not (run.is_over or run.owner):
            draw_stop("cooperate", run.id)


def ask(question: str) -> bool:
    """Have a question answered. False when that was refused; the reader has been told then."""
    if not question.strip():
        warn(t("composer.empty"))
        return False
    return start(question)


def _ask_example(mode: str) -> None:
    start(t(f"cooperate.example_{mode}"), mode=mode)


def draw_welcome() -> None:
    """For a page without a run: what it is for, something to try at once, and each mode with its worth."""
    if not known_targets():
        draw_no_models("cooperate", t("cooperate.welcome"))
        return
    draw_hero(t("cooperate.welcome"), t("cooperate.welcome_text"))
    say = words_of(current_language())
    with st.container(key="cooperate_examples"):
        left, right = st.columns(2)
        for position, mode in enumerate(EXAMPLES):
            (left if position % 2 == 0 else right).button(
                plain(f"{say(f'mode_{mode}')}: {t(f'cooperate.example_{mode}')}"),
                key=f"cooperate_example_{mode}",
                width="stretch",
                on_click=_ask_example,
                args=(mode,),
                disabled=len(SETUP.current().members) < (2 if mode == "cascade" else 1),
            )
    with st.expander(t("cooperate.modes"), icon=":material/info:"):
        members = SETUP.current().members
        rows = [
            [escape(say(f"mode_{mode}")), escape(say(f"about_{mode}")), worth_line(mode, members)] for mode in MODES
        ]
        head = [t("cooperate.mode"), t("cooperate.what_it_does"), t("cooperate.worth")]
        st.html(table(head, rows, words=(1, 2)))
    prepare_charts("cooperate_prepare")
