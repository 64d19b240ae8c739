"""One call as a card: who was asked, what for, the text as it grows, and what it took."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.words import part_text, words_of
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.failures import draw_ways_out, failed_with, failure
from multi_llm_comparator.ui.kit.html_pieces import dot, model_title, note_chip, state_chip
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.kit.markdown import bounded, split_thinking, to_markdown
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.plans.targets import name_of

MAX_ACROSS = 4
TEXT_HEIGHT_PX = 260
MAX_SHOWN_CHARS = 20_000
MAX_WHOLE_NAME_CHARS = 22


def draw_cards(calls: Sequence[Call]) -> None:
    """All calls, up to four side by side."""
    across = min(MAX_ACROSS, max(1, len(calls)))
    for start in range(0, len(calls), across):
        row = calls[start : start + across]
        with st.container(key=f"cooperate_cards_{start}"):
            for call, column in zip(row, st.columns(across, gap="small"), strict=False):
                with column, st.container(border=True, height="stretch", key=f"cooperate_card_{_safe(call.key)}"):
                    _draw_card(call)


def _draw_card(call: Call) -> None:
    known = call.progress
    part = part_text(call.purpose, call.role, current_language())
    if call.round > 1 and call.purpose != "answer":
        part = f"{part} {call.round}"
    head = f"{dot(tone_of(call.target))}{_title(name_of(call.target))}{state_chip(known.state)}"
    chips = [f'<span class="mlc-muted">{escape(part)}</span>']
    if call.ballot:
        chips.append(note_chip(cut_line(call.ballot, 40), t("cooperate.ballot_why"), STATE_TONES["done"]))
    if call.left:
        why = words_of(current_language())(f"left_{call.left}")
        chips.append(note_chip(cut_line(why, 40), why, STATE_TONES["stopped"]))
    st.html(f'<div class="mlc-head">{head}</div><div class="mlc-coop-about">{" ".join(chips)}</div>')
    with st.container(height=TEXT_HEIGHT_PX, border=False, key=f"text_cooperate_{_safe(call.key)}"):
        _draw_text(call)
    took = [
        t("plan.tokens_n", n=say.count(known.tokens)),
        say.seconds(known.duration_s),
        t("figure.cost", value=say.dollars(known.cost_usd)) if known.cost_usd else "",
    ]
    st.html(f'<div class="mlc-details">{escape(" · ".join(filter(None, took)))}</div>')


def _title(name: str) -> str:
    """Only long names are shortened in their middle."""
    if len(name) > MAX_WHOLE_NAME_CHARS:
        return model_title(name)
    return f'<span class="mlc-name" title="{escape(name)}"><span>{escape(name)}</span></span>'


def _draw_text(call: Call) -> None:
    known = call.progress
    if known.state == "failed":
        st.html(failure(known.error_type, known.error or ""))
        draw_ways_out([failed_with(known, call.target)], f"cooperate_{_safe(call.key)}")
    text = bounded(call.text, MAX_SHOWN_CHARS, from_end=not known.is_over)
    segments = split_thinking(text, starts_thinking=known.prompt.rstrip().endswith("<think>"))
    thoughts = [known.thought] if known.thought else []
    thoughts += [segment.text for segment in segments if segment.kind == "think"]
    segments = [segment for segment in segments if segment.kind == "text"]
    if thoughts:
        with st.expander(t("think.done"), key=f"think_cooperate_{_safe(call.key)}", icon=":material/psychology:"):
            for block in to_markdown(bounded("\n\n".join(thoughts), MAX_SHOWN_CHARS)):
                st.markdown(block, anchors=False)
    for segment in segments:
        for block in to_markdown(segment.text, is_open=not known.is_over):
            st.markdown(block, anchors=False)
    if not segments and not thoughts and known.state != "failed":
        waiting = known.state if known.state in ("queued", "loading", "prefill", "stopped") else "empty"
        st.html(f'<div class="mlc-waiting">{escape(t(f"waiting.{waiting}"))}</div>')


def _safe(key: str) -> str:
    return key.replace(".", "_")
