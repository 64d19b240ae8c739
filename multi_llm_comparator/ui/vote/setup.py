"""Before a session of votes: which prompts, which models, how many side by side."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.comparison.pane import differing
from multi_llm_comparator.ui.compare.state import pane_choices
from multi_llm_comparator.ui.compare.telling_apart import parameter_name
from multi_llm_comparator.ui.kit.buttons import main_button, quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import model_label
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.kit.welcome import draw_no_models
from multi_llm_comparator.ui.measure.asked import (
    NO_SET,
    chosen_set,
    draw_example,
    draw_model_choice,
    draw_prompt_choice,
    label_of,
)
from multi_llm_comparator.ui.vote import pictures
from multi_llm_comparator.ui.vote.ranking import draw_ranking_of_all
from multi_llm_comparator.ui.vote.state import (
    MAX_OWN_CHARS,
    SETUP,
    Setup,
    asked_count,
    blind_contestants,
    contestants_of,
    example_models,
    start,
)
from multi_llm_comparator.voting.spec import MAX_CONTESTANTS, MAX_SHOWN


def draw_setup() -> None:
    """What the page is for, an example that works at once, the choices, and the ranking over all sessions so far."""
    if not pane_choices():
        draw_no_models("vote", t("vote.welcome"))
        return
    draw_example("vote", SETUP, Setup(), example_models(), start)
    setup = SETUP.current()
    prompts = chosen_set(setup.prompts)
    with st.container(key="vote_setup"):
        data, models = st.columns(2, gap="medium")
        with data, st.container(border=True, height="stretch"):
            _draw_prompts(setup)
        with models, st.container(border=True, height="stretch"):
            _draw_models(setup)
    contestants = contestants_of(setup)
    asked, blind = asked_count(setup, prompts), blind_contestants(setup)
    if blind:
        st.warning(tm("vote.blind", names=", ".join(blind)), icon=":material/visibility_off:")
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        main_button(
            "vote.start",
            start,
            icon="how_to_vote",
            key="vote_start",
            disabled=len(contestants) < 2 or not asked or bool(blind),
            shortcut="Alt+Enter",
        )
        # Why it cannot be pressed yet.
        if len(contestants) < 2:
            st.caption(t("vote.too_few"))
        elif not asked:
            st.caption(t("vote.no_prompts"))
    draw_ranking_of_all()


def _draw_prompts(setup: Setup) -> None:
    st.markdown(f"**{t('vote.data')}**")
    draw_prompt_choice(SETUP, setup.prompts, t("vote.prompts"), t("vote.own_set"))
    if setup.prompts == NO_SET:
        st.text_area(
            t("vote.own"),
            setup.own,
            placeholder=t("vote.own_placeholder"),
            max_chars=MAX_OWN_CHARS,
            height=160,
            **SETUP.bind("own"),
        )
        pictures.draw_choice()
    SETUP.switch("is_shuffled", "vote.shuffled", why=True)
    if quiet_button("vote.to_sets", icon="edit_note", key="vote_to_sets"):
        go_to("measure")


def _draw_models(setup: Setup) -> None:
    st.markdown(f"**{t('vote.models')}**")
    SETUP.switch("as_compare", "vote.as_compare", why=True)
    if setup.as_compare:
        _draw_compare_panes(setup)
    else:
        draw_model_choice(SETUP, setup.models, t("vote.models"), MAX_CONTESTANTS)
        with st.popover(t("measure.parameters"), icon=":material/tune:", key="vote_tune", type="tertiary"):
            st.caption(t("vote.parameters_why"))
            SETUP.number("max_tokens", 1, 8192, words="measure", help=None)
            SETUP.temperature()
    most = min(MAX_SHOWN, max(2, len(contestants_of(setup))))
    if most > 2:
        st.segmented_control(
            t("vote.shown"),
            list(range(2, most + 1)),
            default=min(setup.shown, most),
            required=True,
            help=t("vote.shown_why"),
            **SETUP.bind("shown", SETUP.key(f"shown_{most}")),
        )


def _draw_compare_panes(setup: Setup) -> None:
    contestants = contestants_of(setup)
    differs = (
        set().union(*(differing(contestants[0][1], config) for _, config in contestants)) if contestants else set()
    )
    for target, config in contestants:
        told = ", ".join(f"{parameter_name(name)} {getattr(config, name)}" for name in sorted(differs))[:200]
        st.html(f"{model_label(label_of(target), tone_of(target))} <span class='mlc-muted'>{escape(told)}</span>")
    if quiet_button("vote.to_compare", icon="view_column", key="vote_to_compare"):
        go_to("compare")
