"""What is asked, and of whom: the choice of prompts and of models, which Measure and Vote have alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.evaluation.example_set import example_set
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.ui.compare.first_panes import demo_four, four_ways
from multi_llm_comparator.ui.compare.state import loadable_models, pane_choices
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.choices import Choice, listed, plans
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.page_setup import PageSetup
from multi_llm_comparator.ui.kit.welcome import draw_hero
from multi_llm_comparator.workbench import get_workbench

# Instead of a set's id.
EXAMPLE, NO_SET = "example", ""


# --- prompts --------------------------------------------------------------------------------------------------------


def known_sets() -> Sequence[Any]:
    """The prompt sets that are kept here."""
    return PromptSets().list()


def usable_set(chosen: str) -> str:
    """What was chosen at an earlier visit, if it is still there."""
    return chosen if chosen in (EXAMPLE, NO_SET, *(one.id for one in known_sets())) else EXAMPLE


def chosen_set(chosen: str) -> PromptSet | None:
    """The set that is chosen; None for none, or where it cannot be read, which the reader is told."""
    if chosen == NO_SET:
        return None
    return example_set() if chosen == EXAMPLE else attempt(lambda: PromptSets().load(chosen))


def draw_prompt_choice(setup: PageSetup[Any], chosen: str, label: str, no_set: str) -> None:
    """Which set is asked; ``no_set`` is what none of them is called."""
    sets = {facts.id: tn("measure.set_label", facts.rows, name=facts.name) for facts in known_sets()}
    names = {EXAMPLE: t("measure.example_set"), **sets, NO_SET: no_set}
    options = list(names)
    st.selectbox(
        plain(label),
        options,
        options.index(chosen) if chosen in options else 0,
        format_func=lambda one: names[one],
        **setup.bind("prompts"),
    )


# --- models ---------------------------------------------------------------------------------------------------------


def askable() -> dict[str, Choice]:
    """All that can be asked single questions, by target: what a pane of Compare can ask, and saved plans."""
    return pane_choices() | plans()


def example_models() -> list[ModelInfo]:
    """Two quantizations of the first model, else two demo models, else the two smallest."""
    models = sorted(loadable_models(), key=lambda model: model.size)
    ways = quantizations(models)
    return next((some for some in (ways, demo_four(models)) if len(some) > 1), models)[-2:]


def quantizations(models: Sequence[ModelInfo]) -> list[ModelInfo]:
    """The quantizations of the first model, the most exact first."""
    four = four_ways(models, get_workbench().settings.models_dir)
    return [model for model in four if model.config.get("quantization")]


def usable_models(chosen: Sequence[str]) -> tuple[str, ...]:
    """Those that are still there."""
    known = askable()
    return tuple(target for target in chosen if target in known)


def label_of(target: str) -> str:
    """What reports call a model: its label without its size."""
    choice = askable().get(target)
    if choice is None:
        return target
    return choice.label.rpartition(" · ")[0] or choice.label if choice.model else choice.label


def draw_model_choice(setup: PageSetup[Any], chosen: Sequence[str], label: str, most: int) -> None:
    """Which models are asked, ``most`` at the most."""
    choices = askable()
    st.multiselect(
        plain(label),
        listed(choices, *chosen),
        [target for target in chosen if target in choices],
        format_func=lambda target: choices[target].label if target in choices else target,
        label_visibility="collapsed",
        max_selections=most,
        placeholder=t("measure.models_choose"),
        **setup.bind("models"),
    )


# --- the example ----------------------------------------------------------------------------------------------------


def draw_example(
    page: str, setup: PageSetup[Any], fresh: Any, models: Sequence[ModelInfo], start: Callable[[], None]
) -> None:
    """What the page is for, and a button that begins at once: as ``fresh`` is set up, with the first two models."""
    draw_hero(t(f"{page}.welcome"), t(f"{page}.welcome_text"))
    if len(models) < 2:
        return

    def begin() -> None:
        kept, example = setup.current(), tuple(model.id for model in models)
        setup.revise(**{**vars(fresh), "models": example})
        start()
        setup.revise(**{**vars(kept), "models": kept.models or example})

    names = [label_of(model.id) for model in models]
    with st.container(horizontal=True, horizontal_alignment="center"):
        button(
            f"{page}.example", begin, icon="bolt", key=f"{page}_example", values={"one": names[0], "other": names[1]}
        )
