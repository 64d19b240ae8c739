"""Where one writes: the prompt box pinned below, and on an empty page what it is for, with examples to click."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.services.first_model import FIRST_MODEL
from multi_llm_comparator.ui.compare.attachments import (
    attached,
    attached_images,
    draw_attach_button,
    draw_attached,
    forget_attachments,
    with_attachments,
)
from multi_llm_comparator.ui.compare.board import draw_new_turn
from multi_llm_comparator.ui.compare.first_panes import demo_four, four_ways, is_demo
from multi_llm_comparator.ui.compare.preparing import draw_preparation
from multi_llm_comparator.ui.compare.state import (
    choose_models,
    chosen_setup,
    current_run,
    draft_panes,
    ensure_run,
    loadable_models,
    offer_prompts,
    offered_prompts,
    pane_choices,
)
from multi_llm_comparator.ui.kit.actions import perform, warn
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tn, translate
from multi_llm_comparator.ui.kit.live_chart import prepare_charts
from multi_llm_comparator.ui.kit.prompt_box import prompt_box
from multi_llm_comparator.ui.kit.welcome import draw_hero, draw_no_models
from multi_llm_comparator.ui.measure.library import draw_library
from multi_llm_comparator.workbench import get_workbench

DEMO_EXAMPLES = ("product", "compare", "reverse", "capital", "convert", "about")
REAL_EXAMPLES = ("sky", "sea", "sleep", "code", "lake", "robot")

MAX_LABEL_CHARS = 120


def draw_composer(comparison: Comparison | None) -> None:
    """The prompt box, with a button to stop everything while something runs."""
    is_running = comparison is not None and comparison.snapshot().is_running
    with st.bottom:
        draw_attached(comparison)
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        may_write = bool(pane_choices() and draft_panes())
        draw_library()
        draw_attach_button()
        prompt_box("compare_prompt", t("composer.placeholder"), _submit, disabled=not may_write)
        if comparison is not None and is_running:
            button(
                "composer.stop_all",
                lambda: perform(comparison.stop(), comparison.id),
                icon="stop_circle",
                key="compare_stop_all",
                shortcut="Alt+S",
            )


def _submit(prompt: str) -> bool:
    """Begin a turn, unless one is at work. The new one is drawn at once: half the way to the first token."""
    comparison = current_run()
    if comparison is not None and comparison.snapshot().is_running:
        warn(t("composer.busy"))
        return False
    if not send(with_attachments(prompt, attached()), attached_images()):
        return False
    forget_attachments()
    if comparison is not None:
        draw_new_turn(comparison)
    return True


def send(prompt: str, images: Sequence[StoredImage] = ()) -> bool:
    """Ask all panes as they are set up now, with these images before the prompt. False when that was refused; the
    reader has been told then."""
    if not prompt.strip():
        warn(t("composer.empty"))
        return False
    comparison = ensure_run(draft_panes())
    turn = (
        None
        if comparison is None
        else perform(comparison.send(prompt, repeats=chosen_setup().repeats, images=images), comparison.id)
    )
    if comparison is None or turn is None:
        return False
    st.session_state["compare_scroll_mark"] = f"{comparison.id}:{turn}"
    return True


def _send_example(prompt: str) -> None:
    send(prompt)


def draw_welcome() -> None:
    """For a page without answers: what it is for, and something to try at once."""
    draw_preparation("compare")
    if not pane_choices():
        draw_no_models("compare", t("welcome.no_models"))
        return
    known = pane_choices()
    panes = [known[pane.target].model for pane in draft_panes() if pane.target in known]
    asks_demo = bool(panes) and all(model is not None and is_demo(model) for model in panes)
    _draw_hero([model for model in panes if model is not None], len(draft_panes()))
    if offered := offered_prompts():
        _draw_offered(offered)
        prepare_charts("compare_prepare")
        return
    with st.container(key="compare_examples"):
        left, right = st.columns(2)
        for position, name in enumerate(DEMO_EXAMPLES if asks_demo else REAL_EXAMPLES):
            prompt, label = _example(name, of_demo=asks_demo)
            (left if position % 2 == 0 else right).button(
                label, key=f"compare_example_{name}", width="stretch", on_click=_send_example, args=(prompt,)
            )
    _draw_other_panes(asks_demo=asks_demo)
    prepare_charts("compare_prepare")


def _draw_offered(prompts: list[str]) -> None:
    """What another page wants asked of these panes, one click each."""
    with st.container(key="compare_examples"):
        left, right = st.columns(2)
        for position, prompt in enumerate(prompts):
            (left if position % 2 == 0 else right).button(
                plain(cut_line(prompt, MAX_LABEL_CHARS)),
                key=f"compare_offered_{position}",
                width="stretch",
                on_click=_send_example,
                args=(prompt,),
            )
        quiet_button("welcome.own_examples", offer_prompts, (), icon="undo", key="compare_offered_end")


def _example(name: str, *, of_demo: bool) -> tuple[str, str]:
    """What is asked, and what the button says: real models are asked in English, whatever the page's language."""
    prompt = t(f"example.{name}") if of_demo else translate("en", f"example.{name}")
    return prompt, t(f"example.{name}")


def _draw_hero(models: list[ModelInfo], count: int) -> None:
    """What the page is for; of the first model's forms, what one sees in comparing them."""
    ways = four_ways(models, get_workbench().settings.models_dir)
    title, text = t("welcome.title"), tn("welcome.text", count)
    if ways and len(ways) == len(models):
        title = t("welcome.ways_title", name=FIRST_MODEL.name)
        text = t("welcome.ways_text")
    draw_hero(title, text)


def _draw_other_panes(*, asks_demo: bool) -> None:
    """One click to the other example: from the real model to the demo models, and back."""
    models, models_dir = loadable_models(), get_workbench().settings.models_dir
    ways, demo = four_ways(models, models_dir), demo_four(sorted(models, key=lambda m: m.size))
    with st.container(horizontal=True, horizontal_alignment="center", key="compare_other_panes"):
        if ways and asks_demo:
            quiet_button(
                "welcome.to_ways",
                partial(choose_models, ways, fills_in=True),
                icon="compare",
                key="compare_to_ways",
                values={"name": FIRST_MODEL.name},
            )
        elif demo and not asks_demo:
            quiet_button("welcome.to_demo", choose_models, demo, icon="science", key="compare_to_demo", why=True)
