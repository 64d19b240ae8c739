"""The row above the conversation: which model answers in which pane, and with what parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import streamlit as st

from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.load_options import load_options
from multi_llm_comparator.ui.compare.pane_order import movable_badge, tend_pane_order
from multi_llm_comparator.ui.compare.parameters import draw_parameters
from multi_llm_comparator.ui.compare.state import (
    add_pane,
    apply_to_all,
    change_model,
    draft_panes,
    duplicate_pane,
    move_pane,
    pane_choices,
    remove_pane,
)
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import opener, quiet_button
from multi_llm_comparator.ui.kit.choices import Choice, listed, sees_images, type_name
from multi_llm_comparator.ui.kit.html_pieces import letter, letter_badge, note_chip
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES, Tone, pane_tones


def draw_setup() -> None:
    """One column for each pane, and a button for one more."""
    panes = draft_panes()
    choices = pane_choices()
    if not panes and not choices:
        return
    with st.container(key="compare_setup"):
        room_for_more = len(panes) < MAX_PANES and bool(choices)
        shared = _shared_bases(panes, choices)
        tones = pane_tones([pane.target if pane.target in choices else "" for pane in panes])
        columns = st.columns([*([6] * len(panes)), *([1] if room_for_more else [])], vertical_alignment="top")
        for index, (pane, tone, column) in enumerate(zip(panes, tones, columns, strict=False)):
            with column:
                _draw_pane(pane, index, tone, choices, shared.get(pane.id, ()), is_only=len(panes) == 1)
        if room_for_more:
            with columns[-1]:
                quiet_button("setup.add_short", add_pane, icon="add", key="compare_add_pane", help=t("setup.add"))
    tend_pane_order()


def _shared_bases(panes: Sequence[Pane], choices: Mapping[str, Choice]) -> dict[str, tuple[int, ...]]:
    """For each pane whose answers come from a model that other panes use too, with adapters of their own: which."""
    loaded: dict[tuple[str, str], list[int]] = {}
    adapted = set()
    for index, pane in enumerate(panes):
        model = choices[pane.target].model if pane.target in choices else None
        if model is not None:
            key = model.loaded_as.id, repr(load_options(model.loaded_as, pane.config, 1))
            loaded.setdefault(key, []).append(index)
            adapted |= {key} if model.base is not None else set()
    together = [indexes for key, indexes in loaded.items() if key in adapted and len(indexes) > 1]
    return {panes[i].id: tuple(j for j in indexes if j != i) for indexes in together for i in indexes}


def _draw_pane(
    pane: Pane,
    index: int,
    tone: Tone,
    choices: Mapping[str, Choice],
    shares_with: Sequence[int],
    *,
    is_only: bool,
) -> None:
    choice = choices.get(pane.target)
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False, key=f"pane_row_{index}"):
        st.html(letter_badge(index, tone) if is_only else movable_badge(index, tone), width="content")
        _draw_model_choice(pane, index, choices)
        letters = {"letter": letter(index)}
        opener(
            "setup.parameters",
            _draw_tuning,
            pane,
            index,
            choice,
            icon="tune",
            key=f"icon_tune_{pane.id}",
            values=letters,
        )
        if not is_only:
            quiet_button(
                "setup.remove",
                remove_pane,
                pane.id,
                icon="close",
                key=f"icon_remove_{pane.id}",
                values=letters,
            )
    st.html(_facts_line(pane, choice, shares_with))


def _draw_tuning(pane: Pane, index: int, choice: Choice | None) -> None:
    _draw_arranging(pane.id, index)
    draw_parameters(pane.id, choice)


def _draw_arranging(pane_id: str, index: int) -> None:
    """Duplicate the pane, give its parameters to all, move it."""
    count = len(draft_panes())
    with st.container(horizontal=True, gap="xsmall", key=f"arrange_{pane_id}"):
        for name, icon, work, arguments, is_possible in (
            ("duplicate", "content_copy", duplicate_pane, (pane_id,), count < MAX_PANES),
            ("to_all", "select_all", apply_to_all, (pane_id,), count > 1),
            ("left", "arrow_back", move_pane, (pane_id, -1), index > 0),
            ("right", "arrow_forward", move_pane, (pane_id, 1), index < count - 1),
        ):
            quiet_button(
                f"setup.{name}",
                work,
                *arguments,
                icon=icon,
                key=f"pane_{name}_{pane_id}" if name in ("duplicate", "to_all") else f"icon_pane_{name}_{pane_id}",
                why=True,
                disabled=not is_possible,
            )


def _draw_model_choice(pane: Pane, index: int, choices: Mapping[str, Choice]) -> None:
    options = listed(choices, pane.target)
    if pane.target not in choices:
        options = [pane.target, *options]
    key = f"compare_model_{pane.id}"
    # Another run may have been opened since this widget was last drawn.
    if st.session_state.get(key, pane.target) != pane.target:
        st.session_state[key] = pane.target

    def choose() -> None:
        # In another language models are listed in other words, and what was chosen comes as the words of before.
        if (choice := choices.get(st.session_state[key])) is not None:
            change_model(pane, choice)

    st.selectbox(
        t("setup.model", letter=letter(index)),
        options,
        options.index(pane.target),
        key=key,
        format_func=lambda target: choices[target].label if target in choices else t("setup.gone", name=target),
        label_visibility="collapsed",
        on_change=choose,
    )


def _facts_line(pane: Pane, choice: Choice | None, shares_with: Sequence[int]) -> str:
    """What the model is, in a few words, and how it will answer where that differs from the usual."""
    if choice is None:
        return note_chip(t("setup.missing"), t("setup.missing_why", name=pane.target), STATE_TONES["failed"])
    words = [
        t("setup.greedy") if pane.config.is_greedy else t("setup.temperature", value=f"{pane.config.temperature:g}")
    ]
    if pane.config.adapter_scale != 1:
        words.append(t("setup.adapter_scale", value=f"{pane.config.adapter_scale:g}"))
    if pane.config.reproducible:
        words.append(t("setup.reproducible"))
    words = [*(choice.facts or _facts(choice.model)), *words]
    line = f'<span class="mlc-muted">{escape(" · ".join(filter(None, words)))}</span>'
    line += _shorter_context(pane, choice.model)
    if shares_with and choice.model is not None:
        letters = ", ".join(letter(index) for index in shares_with)
        why = t("setup.shared_why", base=choice.model.loaded_as.name)
        line += " " + note_chip(t("setup.shared", letters=letters), why, STATE_TONES["done"])
    if choice.model is not None and choice.model.config.get("chat_template") is False:
        line += " " + note_chip(t("setup.no_template"), t("setup.no_template_why"), STATE_TONES["loading"])
    if sees_images(choice):
        line += " " + note_chip(t("images.sees"), t("images.sees_why"), STATE_TONES["done"])
    if pane.constraint is not None:
        form = pane.constraint.regex or pane.constraint.json_schema or ""
        line += " " + note_chip(t("setup.held"), form[:300], STATE_TONES["queued"])
    if pane.config.system_prompt:
        line += " " + note_chip(t("setup.system"), pane.config.system_prompt[:300], STATE_TONES["queued"])
    return f'<div class="mlc-facts-line">{line}</div>'


def _shorter_context(pane: Pane, model: ModelInfo | None) -> str:
    """Says so where the conversation has less room than the model could give it."""
    trained = (model.config.get("context_length") if model else None) or 0
    if trained <= pane.config.n_ctx:
        return ""
    text = t("setup.context", tokens=say.context(pane.config.n_ctx), trained=say.context(trained))
    return f' <span class="mlc-muted" title="{escape(t("setup.context_why"))}">· {escape(text)}</span>'


def _facts(model: ModelInfo | None) -> list[str]:
    if model is None:
        return []
    known = model.config
    return [
        type_name(model.model_type),
        say.parameters(known["parameters"]) if known.get("parameters") else "",
        str(known.get("quantization") or ""),
    ]
