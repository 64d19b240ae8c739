"""Before an evaluation: which prompts or tasks, which models, who judges, and what so many prompts can show."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec
from typing import Any

import streamlit as st

from multi_llm_comparator.evaluation.measuring.spec import JUDGE_MODES, MAX_REPEATS, MAX_SEED, MAX_SUBJECTS
from multi_llm_comparator.evaluation.measuring.words import outlook_sentence
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.statistics.power import USUAL_DISCORDANCE, smallest_difference
from multi_llm_comparator.evaluation.tasks.catalogue import LOADERS
from multi_llm_comparator.ui.compare.state import pane_choices
from multi_llm_comparator.ui.kit.choices import listed
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import empty
from multi_llm_comparator.ui.kit.i18n import current_language, t, tm, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.measure.set_editor import draw_set_buttons
from multi_llm_comparator.ui.measure.state import (
    EXAMPLE,
    NO_SET,
    Setup,
    change_setup,
    chosen_prompts,
    current_setup,
    example_models,
    known_sets,
    label_of,
    revise_setup,
    setup_revision,
    start,
)
from multi_llm_comparator.workbench import get_workbench

TEMPERATURES = tuple(step / 10 for step in range(21))


def draw_setup() -> None:
    """What the page is for, an example that works at once, and the three choices: data, models, judge."""
    if not pane_choices():
        _draw_no_models()
        return
    _draw_hero()
    setup = current_setup()
    prompts = chosen_prompts(setup)
    with st.container(key="measure_setup"):
        data, models = st.columns(2, gap="medium")
        with data, st.container(border=True, height="stretch"):
            _draw_data(setup, prompts)
        with models, st.container(border=True, height="stretch"):
            _draw_models(setup, prompts)
            _draw_judge(setup, prompts)
    _draw_outlook(setup, prompts)
    with st.container(horizontal=True, horizontal_alignment="center", vertical_alignment="center"):
        st.button(
            t("measure.start"),
            icon=":material/play_arrow:",
            type="primary",
            key="measure_start",
            on_click=start,
            disabled=not setup.models or (prompts is None and not setup.tasks),
            shortcut="Alt+Enter",
        )


def _draw_hero() -> None:
    title, text = t("measure.welcome"), t("measure.welcome_text")
    st.html(f'<div class="mlc-hero"><h2>{escape(title)}</h2><p>{escape(text)}</p></div>')
    models = example_models()
    if len(models) < 2:
        return
    names = [label_of(model.id) for model in models]
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.button(
            tm("measure.example", one=names[0], other=names[1]),
            icon=":material/bolt:",
            key="measure_example",
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
    st.html(empty(t("measure.welcome"), t("welcome.no_models_text")))
    with st.container(horizontal=True, horizontal_alignment="center"):
        if st.button(t("act.open_models"), icon=":material/deployed_code:", key="measure_to_models", type="primary"):
            go_to("models")


def _draw_data(setup: Setup, prompts: PromptSet | None) -> None:
    sets = {facts.id: facts for facts in known_sets()}
    options = [EXAMPLE, *sets, NO_SET]
    st.markdown(f"**{t('measure.data')}**")
    st.selectbox(
        t("measure.prompts"),
        options,
        options.index(setup.prompts) if setup.prompts in options else 0,
        key=_key("prompts"),
        format_func=lambda one: _set_label(one, {key: (f.name, f.rows) for key, f in sets.items()}),
        on_change=_changed,
        args=("prompts",),
    )
    draw_set_buttons(prompts, setup.prompts)
    with st.expander(t("measure.tasks"), expanded=bool(setup.tasks), icon=":material/school:"):
        _draw_tasks(setup)


def _set_label(one: str, sets: dict[str, tuple[str, int]]) -> str:
    if one == NO_SET:
        return t("measure.no_set")
    if one == EXAMPLE:
        return t("measure.example_set")
    name, rows = sets[one]
    return tn("measure.set_label", rows, name=name)


def _draw_tasks(setup: Setup) -> None:
    st.caption(t("measure.tasks_why"))
    st.pills(
        t("measure.tasks"),
        list(LOADERS),
        selection_mode="multi",
        default=[name for name in setup.tasks if name in LOADERS],
        key=_key("tasks"),
        label_visibility="collapsed",
        on_change=_changed,
        args=("tasks",),
    )
    st.text_input(
        t("measure.folder"),
        setup.data,
        key=_key("data"),
        help=t("measure.folder_why"),
        placeholder=t("measure.hub"),
        max_chars=4096,
        on_change=_changed,
        args=("data",),
    )
    with st.container(horizontal=True, vertical_alignment="bottom"):
        _number("limit", setup.limit, 0, 20_000)
        _number("shots", setup.shots, 0, 64)
        st.toggle(t("measure.chat"), setup.chat, key=_key("chat"), on_change=_changed, args=("chat",))


def _draw_models(setup: Setup, prompts: PromptSet | None) -> None:
    choices = pane_choices()
    st.markdown(f"**{t('measure.models')}**")
    st.multiselect(
        t("measure.models"),
        listed(choices, *setup.models),
        [target for target in setup.models if target in choices],
        key=_key("models"),
        format_func=lambda target: choices[target].label if target in choices else target,
        label_visibility="collapsed",
        max_selections=MAX_SUBJECTS,
        placeholder=t("measure.models_choose"),
        on_change=_changed,
        args=("models",),
    )
    with st.popover(t("measure.parameters"), icon=":material/tune:", key="measure_tune", type="tertiary"):
        _number("max_tokens", setup.max_tokens, 1, 8192)
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
        st.multiselect(
            t("measure.also_at"),
            TEMPERATURES,
            [one for one in setup.also_at if one in TEMPERATURES],
            key=_key("also_at"),
            help=t("measure.also_at_why"),
            on_change=_changed,
            args=("also_at",),
        )
        _number("repeats", setup.repeats, 1, MAX_REPEATS)
        _number("seed", setup.seed, 0, MAX_SEED)
        if find_spec("ray") is not None:
            st.text_input(
                t("measure.cluster"),
                setup.cluster,
                key=_key("cluster"),
                help=t("measure.cluster_why"),
                placeholder="HOST:6379",
                max_chars=300,
                on_change=_changed,
                args=("cluster",),
            )
    if prompts is not None and len(setup.models) > 1:
        options = ["", *(target for target in setup.models if target in choices)]
        st.selectbox(
            t("measure.reference"),
            options,
            options.index(setup.reference) if setup.reference in options else 0,
            key=_key("reference"),
            format_func=lambda target: choices[target].label if target in choices else t("measure.no_reference"),
            help=t("measure.reference_why"),
            on_change=_changed,
            args=("reference",),
        )


def _draw_judge(setup: Setup, prompts: PromptSet | None) -> None:
    judged = sum(row.compare == "judged" for row in prompts.rows) if prompts else 0
    with st.expander(t("measure.judge"), expanded=judged > 0, icon=":material/gavel:"):
        st.caption(tn("measure.judge_why", judged))
        choices = pane_choices()
        options = ["", *listed(choices, setup.judge)]
        st.selectbox(
            t("measure.judge"),
            options,
            options.index(setup.judge) if setup.judge in options else 0,
            key=_key("judge"),
            format_func=lambda target: choices[target].label if target in choices else t("measure.no_judge"),
            label_visibility="collapsed",
            on_change=_changed,
            args=("judge",),
        )
        if not setup.judge:
            return
        st.segmented_control(
            t("measure.judge_mode"),
            JUDGE_MODES,
            default=setup.judge_mode,
            required=True,
            format_func=lambda mode: t(f"measure.mode_{mode}"),
            key=_key("judge_mode"),
            help=t("measure.judge_mode_why"),
            on_change=_changed,
            args=("judge_mode",),
        )
        if setup.judge_mode == "rubric":
            st.text_area(
                t("measure.rubric"),
                setup.rubric,
                key=_key("rubric"),
                max_chars=4000,
                on_change=_changed,
                args=("rubric",),
            )


def _draw_outlook(setup: Setup, prompts: PromptSet | None) -> None:
    """The smallest difference that so many prompts can show."""
    subjects = len(setup.models) * len({setup.temperature, *setup.also_at})
    if prompts is None or subjects < 2:
        return
    count, pairs = len(prompts.rows), subjects * (subjects - 1) // 2
    visible = smallest_difference(count, comparisons=pairs)
    words = outlook_sentence("prompts", count, visible, USUAL_DISCORDANCE, current_language(), comparisons=pairs)
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.caption(plain(words), width="content")


def _number(name: str, value: int, lowest: int, highest: int) -> None:
    st.number_input(
        t(f"measure.{name}"),
        lowest,
        highest,
        min(max(value, lowest), highest),
        key=_key(name),
        help=t(f"measure.{name}_why"),
        on_change=_changed,
        args=(name,),
    )


def _key(name: str) -> str:
    """Widgets are made anew when their values were changed otherwise than through them."""
    return f"measure_setup_{name}_{setup_revision()}"


def _changed(name: str) -> None:
    value: Any = st.session_state[_key(name)]
    change_setup(**{name: tuple(value) if isinstance(value, list) else value})
