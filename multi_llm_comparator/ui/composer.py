"""Where one writes: the prompt box pinned below, and on an empty page what it is for, with examples to click."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.ui.actions import perform, warn
from multi_llm_comparator.ui.board import draw_new_turn
from multi_llm_comparator.ui.compare_state import current_run, draft_panes, ensure_run, pane_choices
from multi_llm_comparator.ui.html_pieces import empty
from multi_llm_comparator.ui.i18n import t, tn
from multi_llm_comparator.ui.live_chart import prepare_charts
from multi_llm_comparator.ui.navigation import go_to
from multi_llm_comparator.ui.prompt_box import prompt_box

EXAMPLES = ("product", "compare", "reverse", "capital", "convert", "about")


def draw_composer(comparison: Comparison | None) -> None:
    """The prompt box, with a button to stop everything while something runs."""
    is_running = comparison is not None and comparison.snapshot().is_running
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False):
        may_write = bool(pane_choices() and draft_panes())
        prompt_box("compare_prompt", t("composer.placeholder"), _submit, disabled=not may_write)
        if comparison is not None and is_running:
            st.button(
                t("composer.stop_all"),
                icon=":material/stop_circle:",
                key="compare_stop_all",
                shortcut="Alt+S",
                on_click=lambda: perform(comparison.stop(), comparison.id),
            )


def _submit(prompt: str) -> bool:
    """Begin a turn, unless one is at work. The new one is drawn at once: half the way to the first token."""
    comparison = current_run()
    if comparison is not None and comparison.snapshot().is_running:
        warn(t("composer.busy"))
        return False
    if not send(prompt):
        return False
    if comparison is not None:
        draw_new_turn(comparison)
    return True


def send(prompt: str) -> bool:
    """Ask all panes as they are set up now. False when that was refused; the reader has been told then."""
    if not prompt.strip():
        warn(t("composer.empty"))
        return False
    comparison = ensure_run(draft_panes())
    turn = None if comparison is None else perform(comparison.send(prompt), comparison.id)
    if comparison is None or turn is None:
        return False
    st.session_state["compare_scroll_mark"] = f"{comparison.id}:{turn}"
    return True


def _send_example(prompt: str) -> None:
    send(prompt)


def draw_welcome() -> None:
    """For a page without answers: what it is for, and something to try at once."""
    if not pane_choices():
        _draw_no_models()
        return
    count = len(draft_panes())
    st.html(
        f'<div class="mlc-hero"><h2>{escape(t("welcome.title"))}</h2><p>{escape(tn("welcome.text", count))}</p></div>'
    )
    with st.container(key="compare_examples"):
        left, right = st.columns(2)
        for position, name in enumerate(EXAMPLES):
            prompt = t(f"example.{name}")
            (left if position % 2 == 0 else right).button(
                prompt, key=f"compare_example_{name}", width="stretch", on_click=_send_example, args=(prompt,)
            )
    prepare_charts("compare_prepare")


def _draw_no_models() -> None:
    st.html(empty(t("welcome.no_models"), t("welcome.no_models_text")))
    with st.container(horizontal=True, horizontal_alignment="center"):
        if st.button(t("act.open_models"), icon=":material/deployed_code:", key="compare_to_models", type="primary"):
            go_to("models")
