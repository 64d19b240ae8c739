"""Before a session of votes: which prompts, which models, how many side by side."""

from __future__ import annotations

from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.comparison.pane import differing
from multi_llm_comparator.ui.compare.state import pane_choices
from multi_llm_comparator.ui.kit.choices import listed, tone_of
from multi_llm_comparator.ui.kit.html_pieces import empty, model_label
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.measure.state import EXAMPLE, NO_SET, known_sets, label_of
from multi_llm_comparator.ui.vote.ranking import draw_ranking_of_all
from multi_llm_comparator.ui.vote.state import (
    MAX_OWN_CHARS,
    Setup,
    change_setup,
    chosen_set,
    contestants_of,
    current_setup,
    example_models,
    own_prompts,
    revise_setup,
    setup_revision,
    start,
)
from multi_llm_comparator.voting.spec import MAX_CONTESTANTS, MAX_SHOWN
from multi_llm_comparator.workbench import get_workbench


def draw_setup() -> None:
    """What the page is for, an example that works at once, the choices, and the ranking over all sessions so far."""
    if not pane_choices():
        _draw_no_models()
        return
    _draw_hero()
    setup = current_setup()
    prompts = chosen_set(setup)
    with st.container(key="vote_setup"):
        data, models = st.columns(2, gap="medium")
        with data, st.container(border=True, height="stretch"):
            _draw_prompts(setup)
        with models, st.container(border=True, height="stretch"):
            _draw_models(setup)
    contestants = contestants_of(setup)
    asked = len(prompts.rows) if prompts is not None else len(own_prompts(setup))
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(
            t("vote.start"),
            icon=":material/how_to_vote:",
            type="primary",
            key="vote_start",
            on_click=start,
            disabled=len(contestants) < 2 or not asked,
            shortcut="Alt+Enter",
        )
    draw_ranking_of_all()


def _draw_hero() -> None:
    title, text = t("vote.welcome"), t("vote.welcome_text")
    st.html(f'<div class="mlc-hero"><h2>{escape(title)}</h2><p>{escape(text)}</p></div>')
    models = example_models()
    if len(models) < 2:
        return
    names = [label_of(model.id) for model in models]
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.button(
            tm("vote.example", one=names[0], other=names[1]),
            icon=":material/bolt:",
            key="vote_example",
            on_click=_start_example,
        )


def _start_example() -> None:
    models = tuple(model.id for model in example_models())
    kept = current_setup()
    revise_setup(**{**vars(Setup()), "models": models})
    start()
    revise_setup(**{**vars(kept), "models": kept.models or models})


def _draw_no_models() -> None:
    if get_workbench().models.is_scanning:
        return
    st.html(empty(t("vote.welcome"), t("welcome.no_models_text")))
    with st.container(horizontal=True, horizontal_alignment="center"):
        if st.button(t("act.open_models"), icon=":material/deployed_code:", key="vote_to_models", type="primary"):
            go_to("models")


def _draw_prompts(setup: Setup) -> None:
    sets = {facts.id: (facts.name, facts.rows) for facts in known_sets()}
    options = [EXAMPLE, *sets, NO_SET]
    st.markdown(f"**{t('vote.data')}**")
    st.selectbox(
        t("vote.prompts"),
        options,
        options.index(setup.prompts) if setup.prompts in options else 0,
        key=_key("prompts"),
        format_func=lambda one: _set_label(one, sets),
        on_change=_changed,
        args=("prompts",),
    )
    if setup.prompts == NO_SET:
        st.text_area(
            t("vote.own"),
            setup.own,
            key=_key("own"),
            placeholder=t("vote.own_placeholder"),
            max_chars=MAX_OWN_CHARS,
            height=160,
            on_change=_changed,
            args=("own",),
        )
    st.toggle(
        t("vote.shuffled"),
        setup.is_shuffled,
        key=_key("is_shuffled"),
        help=t("vote.shuffled_why"),
        on_change=_changed,
        args=("is_shuffled",),
    )
    if st.button(t("vote.to_sets"), icon=":material/edit_note:", type="tertiary", key="vote_to_sets"):
        go_to("measure")


def _set_label(one: str, sets: dict[str, tuple[str, int]]) -> str:
    if one == NO_SET:
        return t("vote.own_set")
    if one == EXAMPLE:
        return t("measure.example_set")
    name, rows = sets[one]
    return tn("measure.set_label", rows, name=name)


def _draw_models(setup: Setup) -> None:
    choices = pane_choices()
    st.markdown(f"**{t('vote.models')}**")
    st.toggle(
        t("vote.as_compare"),
        setup.as_compare,
        key=_key("as_compare"),
        help=t("vote.as_compare_why"),
        on_change=_changed,
        args=("as_compare",),
    )
    if setup.as_compare:
        _draw_compare_panes(setup)
    else:
        st.multiselect(
            t("vote.models"),
            listed(choices, *setup.models),
            [target for target in setup.models if target in choices],
            key=_key("models"),
            format_func=lambda target: choices[target].label if target in choices else target,
            label_visibility="collapsed",
            max_selections=MAX_CONTESTANTS,
            placeholder=t("measure.models_choose"),
            on_change=_changed,
            args=("models",),
        )
        with st.popover(t("measure.parameters"), icon=":material/tune:", key="vote_tune", type="tertiary"):
            _draw_parameters(setup)
    most = min(MAX_SHOWN, max(2, len(contestants_of(setup))))
    if most > 2:
        st.segmented_control(
            t("vote.shown"),
            list(range(2, most + 1)),
            default=min(setup.shown, most),
            required=True,
            key=_key(f"shown_{most}"),
            help=t("vote.shown_why"),
            on_change=lambda: change_setup(shown=int(st.session_state[_key(f"shown_{most}")])),
        )


def _draw_compare_panes(setup: Setup) -> None:
    contestants = contestants_of(setup)
    differs = (
        set().union(*(differing(contestants[0][1], config) for _, config in contestants)) if contestants else set()
    )
    for target, config in contestants:
        told = ", ".join(f"{name} {getattr(config, name)}" for name in sorted(differs))[:200]
        st.html(f"{model_label(label_of(target), tone_of(target))} <span class='mlc-muted'>{escape(told)}</span>")
    if st.button(t("vote.to_compare"), icon=":material/view_column:", type="tertiary", key="vote_to_compare"):
        go_to("compare")


def _draw_parameters(setup: Setup) -> None:
    st.caption(t("vote.parameters_why"))
    st.number_input(
        t("measure.max_tokens"),
        1,
        8192,
        min(max(setup.max_tokens, 1), 8192),
        key=_key("max_tokens"),
        on_change=_changed,
        args=("max_tokens",),
    )
    st.slider(
        t("measure.temperature"),
        0.0,
        2.0,
        setup.temperature,
        0.1,
        key=_key("temperature"),
        on_change=_changed,
        args=("temperature",),
    )


def _key(name: str) -> str:
    """Widgets are made anew when their values were changed otherwise than through them."""
    return f"vote_setup_{name}_{setup_revision()}"


def _changed(name: str) -> None:
    value: Any = st.session_state[_key(name)]
    change_setup(**{name: tuple(value) if isinstance(value, list) else value})
