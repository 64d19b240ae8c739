"""The row that decides how fair a comparison is: the same parameters for all, one at a time, how often; and what
answers are compared with."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from html import escape

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.fairness import SPREAD_TEMPERATURES, repeatable, spread
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.repeats import MAX_REPEATS
from multi_llm_comparator.ui.compare.setup import FAIRNESS, KEPT
from multi_llm_comparator.ui.compare.state import (
    choose_fairness,
    chosen_setup,
    draft_panes,
    fairness,
    save_draft,
    save_setup,
)
from multi_llm_comparator.ui.kit.buttons import button, opener, quiet_button
from multi_llm_comparator.ui.kit.html_pieces import letter, note_chip
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.palette import STATE_TONES

_REFERENCE = "compare_reference"


def draw_fair_row(comparison: Comparison | None) -> None:
    """Drawn once for each time that the whole page is drawn, beneath the panes' setup."""
    panes = draft_panes()
    if not panes:
        return
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="compare_fair", horizontal_alignment="left"
    ):
        if len(panes) > 1:
            _draw_fairness()
        quiet_button("fair.repeatable", _leave_nothing_to_chance, icon="equal", key="compare_repeatable", why=True)
        opener("fair.how", _draw_how, panes, icon="tune", key="compare_how", type="tertiary")
        if chips := _chips():
            st.html(f'<div class="mlc-notes">{chips}</div>', width="content")
        if comparison is not None and len(panes) > 1 and comparison.snapshot().turns:
            _draw_reference(panes)


def _draw_fairness() -> None:
    now = fairness()
    key = "compare_fairness"
    if st.session_state.get(key) != now:
        st.session_state[key] = now
    st.segmented_control(
        t("fair.title"),
        FAIRNESS,
        required=True,
        format_func=lambda one: t(f"fair.{one}"),
        label_visibility="collapsed",
        key=key,
        help=t("fair.why"),
        on_change=lambda: choose_fairness(st.session_state[key]),
    )


def _leave_nothing_to_chance() -> None:
    """Temperature 0 and one seed in all panes: any difference is then the models'."""
    panes = draft_panes()
    seed = panes[0].config.seed
    seed = secrets.randbelow(2**32) if seed is None else seed
    chosen = frozenset({"temperature", "seed", "reproducible"})
    save_draft(
        [
            replace(pane, config=repeatable(pane.config, seed), by_hand=(pane.by_hand or frozenset()) | chosen)
            for pane in panes
        ]
    )


def _draw_how(panes: Sequence[Pane]) -> None:
    setup = chosen_setup()
    with st.container(key="popover_form_how"):
        button(
            "fair.spread",
            lambda: save_draft(spread(panes[0])),
            icon="device_thermostat",
            key="compare_spread",
            why=True,
            values={"temperatures": " · ".join(f"{value:g}" for value in SPREAD_TEMPERATURES)},
        )
        st.toggle(
            t("fair.in_turn"),
            setup.in_turn,
            key="compare_in_turn",
            help=t("fair.in_turn_why"),
            on_change=lambda: save_setup(in_turn=st.session_state["compare_in_turn"]),
        )
        st.segmented_control(
            t("fair.tokens"),
            KEPT,
            default=setup.tokens,
            required=True,
            format_func=lambda one: t(f"fair.tokens_{one}"),
            key="compare_tokens",
            help=t("fair.tokens_why"),
            on_change=lambda: save_setup(tokens=st.session_state["compare_tokens"]),
        )
        st.number_input(
            t("fair.repeats"),
            1,
            MAX_REPEATS,
            setup.repeats,
            1,
            key="compare_repeats",
            help=t("fair.repeats_why"),
            on_change=lambda: save_setup(repeats=int(st.session_state["compare_repeats"])),
        )


def _chips() -> str:
    """What is not as usual, where one sees it without opening anything."""
    setup = chosen_setup()
    chips = []
    if setup.in_turn:
        chips.append(note_chip(t("fair.in_turn"), t("fair.in_turn_why"), STATE_TONES["queued"]))
    if setup.repeats > 1:
        chips.append(note_chip(tn("fair.times", setup.repeats), t("fair.repeats_why"), STATE_TONES["queued"]))
    return "".join(chips)


def _draw_reference(panes: Sequence[Pane]) -> None:
    """Which pane the others are compared with, if any."""
    ids = [pane.id for pane in panes]
    if st.session_state.get(_REFERENCE) not in ids:
        st.session_state.pop(_REFERENCE, None)
    # The words and the letters stay in one line.
    with st.container(horizontal=True, vertical_alignment="center", gap="small", wrap=False, width="content"):
        st.html(f'<span class="mlc-muted mlc-nowrap">{escape(t("diff.from"))}</span>', width="content")
        st.segmented_control(
            t("diff.from"),
            ids,
            format_func=lambda pane_id: letter(ids.index(pane_id)),
            label_visibility="collapsed",
            key=_REFERENCE,
            help=t("diff.why"),
            width="content",
        )


def reference_pane() -> str | None:
    """The pane that the others' answers are compared with."""
    chosen: str | None = st.session_state.get(_REFERENCE)
    return chosen
