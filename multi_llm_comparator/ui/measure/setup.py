"""Before an evaluation: which prompts or tasks, which models, who judges, and what so many prompts can show."""

from __future__ import annotations

from importlib.util import find_spec

import streamlit as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.evaluation.measuring.outlook import count_line, items_asked, outlook_lines
from multi_llm_comparator.evaluation.measuring.spec import JUDGE_MODES, MAX_REPEATS, MAX_SEED, MAX_SUBJECTS
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.tasks.catalogue import LOADERS
from multi_llm_comparator.ui.kit.choices import listed
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.ui.kit.welcome import draw_no_models
from multi_llm_comparator.ui.measure.asked import (
    askable,
    chosen_set,
    draw_example,
    draw_model_choice,
    draw_prompt_choice,
    example_models,
)
from multi_llm_comparator.ui.measure.crossing import draw_crossing
from multi_llm_comparator.ui.measure.in_compare import draw_try_row
from multi_llm_comparator.ui.measure.lm_eval import draw_lm_eval
from multi_llm_comparator.ui.measure.set_editor import draw_set_buttons
from multi_llm_comparator.ui.measure.state import SETUP, Setup, crossing_of, start, task_names, tasks_of

MAX_LINE_CHARS = 4096


def draw_setup() -> None:
    """What the page is for, an example that works at once, and the three choices: data, models, judge."""
    if not askable():
        draw_no_models("measure", t("measure.welcome"))
        return
    draw_example("measure", SETUP, Setup(), example_models(), start)
    setup = SETUP.current()
    prompts = chosen_set(setup.prompts)
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
            disabled=not setup.models or (prompts is None and not task_names(setup)),
            shortcut="Alt+Enter",
        )
        # Why it cannot be pressed yet.
        if not setup.models:
            st.caption(t("missing.models"))
        elif prompts is None and not task_names(setup):
            st.caption(t("missing.prompts"))


def _draw_data(setup: Setup, prompts: PromptSet | None) -> None:
    st.markdown(f"**{t('measure.data')}**")
    draw_prompt_choice(SETUP, setup.prompts, t("measure.prompts"), t("measure.no_set"))
    draw_set_buttons(prompts, setup.prompts)
    if prompts is not None:
        draw_try_row(prompts, setup.models, ModelConfig(temperature=setup.temperature, max_tokens=setup.max_tokens))
    with st.expander(t("measure.tasks"), expanded=bool(task_names(setup)), icon=":material/school:"):
        _draw_tasks(setup)
    draw_lm_eval(setup)


def _draw_tasks(setup: Setup) -> None:
    st.caption(t("measure.tasks_why"))
    st.pills(
        t("measure.tasks"),
        list(LOADERS),
        selection_mode="multi",
        default=[name for name in setup.tasks if name in LOADERS],
        label_visibility="collapsed",
        **SETUP.bind("tasks"),
    )
    SETUP.line("data", "measure.folder", why=True, placeholder=t("measure.hub"), max_chars=MAX_LINE_CHARS)
    examples = t("measure.subjects_example")
    SETUP.line("subjects", "measure.subjects", why=True, placeholder=examples, max_chars=MAX_LINE_CHARS)
    if "bbh" in setup.tasks and not setup.data.strip() and setup.shots:
        st.caption(tn("measure.bbh_hub", setup.shots))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        SETUP.number("limit", 0, 20_000)
        SETUP.number("shots", 0, 64)
        SETUP.number("shots_seed", 0, MAX_SEED)
        SETUP.switch("chat", "measure.chat")
    SETUP.line("file", "measure.file", why=True, placeholder=t("measure.file_example"), max_chars=MAX_LINE_CHARS)


def _draw_models(setup: Setup, prompts: PromptSet | None) -> None:
    st.markdown(f"**{t('measure.models')}**")
    draw_model_choice(SETUP, setup.models, t("measure.models"), MAX_SUBJECTS)
    with st.popover(t("measure.parameters"), icon=":material/tune:", key="measure_tune", type="tertiary"):
        SETUP.number("max_tokens", 1, 8192)
        SETUP.temperature()
        draw_crossing(setup)
        SETUP.number("repeats", 1, MAX_REPEATS)
        SETUP.number("seed", 0, MAX_SEED)
        if find_spec("ray") is not None:
            SETUP.line("cluster", "measure.cluster", why=True, placeholder=t("measure.cluster_example"), max_chars=300)
    if prompts is not None and len(setup.models) > 1:
        choices = askable()
        SETUP.choice(
            "reference",
            "measure.reference",
            ["", *(target for target in setup.models if target in choices)],
            lambda target: choices[target].label if target in choices else t("measure.no_reference"),
            why=True,
        )


def _draw_judge(setup: Setup, prompts: PromptSet | None) -> None:
    judged = sum(row.compare == "judged" for row in prompts.rows) if prompts else 0
    with st.expander(t("measure.judge"), expanded=judged > 0, icon=":material/gavel:"):
        st.caption(tn("measure.judge_why", judged) if judged else t("measure.judge_none"))
        choices = askable()
        SETUP.choice(
            "judge",
            "measure.judge",
            ["", *listed(choices, setup.judge)],
            lambda target: choices[target].label if target in choices else t("measure.no_judge"),
            label_visibility="collapsed",
        )
        if not setup.judge:
            return
        st.segmented_control(
            t("measure.judge_mode"),
            JUDGE_MODES,
            default=setup.judge_mode,
            required=True,
            format_func=lambda mode: t(f"measure.mode_{mode}"),
            help=t("measure.judge_mode_why"),
            **SETUP.bind("judge_mode"),
        )
        if setup.judge_mode == "rubric":
            st.text_area(t("measure.rubric"), setup.rubric, max_chars=4000, **SETUP.bind("rubric"))


def _draw_outlook(setup: Setup, prompts: PromptSet | None) -> None:
    """How many answers it will be, and the smallest difference that so many prompts, and items of tasks, can show; or
    why tasks cannot be read, or what is too many."""
    if not setup.models or (prompts is None and not task_names(setup)):
        return
    models, language = len(setup.models), current_language()
    try:
        ways, counts = crossing_of(setup).count, _counted(setup, prompts)
        lines = [
            count_line(counts, models, ways, setup.repeats, language),
            *outlook_lines(counts, models * ways, language),
        ]
    except MultiLLMError as exc:
        lines = [str(exc)]
    for line in lines:
        with st.container(horizontal=True, horizontal_alignment="center"):
            st.caption(plain(line), width="content")


def _counted(setup: Setup, prompts: PromptSet | None) -> dict[str, int]:
    """See :func:`items_asked`; read once for each choice of tasks."""
    tasks = tasks_of(setup)
    key, asked = "measure_counted", (tasks, prompts.digest if prompts else "")
    known = st.session_state.get(key)
    if known is None or known[0] != asked:
        known = asked, items_asked(prompts, tasks)
        st.session_state[key] = known
    counts: dict[str, int] = known[1]
    return counts
