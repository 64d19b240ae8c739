"""An answer opened as its tokens: coloured by surprise, with what else might have stood there, to go on from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot
from multi_llm_comparator.comparison.token_paths import TokenStep, is_unsure, share, steps_of, text_with
from multi_llm_comparator.ui.compare.token_losses import draw_losses
from multi_llm_comparator.ui.compare.token_parting import draw_parting
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform, warn
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.i18n import t, tm

_OPENED = "compare_tokens_of"
_HTML = '<div class="tokens" tabindex="0" role="group"></div><div class="panel" aria-live="polite"></div>'
_CSS = """
:host { display: block; }
.tokens { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.9; max-height: 45vh; overflow-y: auto;
  padding: 0.25rem; border-radius: 0.5rem; font-family: var(--st-font); }
.tokens:focus-visible { outline: 2px solid var(--st-primary-color); }
button { all: unset; cursor: pointer; box-sizing: border-box; }
.token { cursor: pointer; padding: 0.1rem 0; border-radius: 0.2rem;
  background: color-mix(in srgb, var(--st-red-color) var(--tint), transparent); }
.token:hover, .token.chosen { outline: 2px solid var(--st-primary-color); }
.unsure { text-decoration: underline dotted; text-underline-offset: 0.25rem; }
.plain { opacity: 0.6; }
.panel { border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent); margin-top: 0.5rem;
  padding-top: 0.5rem; min-height: 12.5rem; font-size: 0.9rem; }
.panel p { margin: 0 0 0.4rem; font-family: var(--st-code-font); overflow-wrap: anywhere; }
.panel ol { margin: 0; padding: 0; list-style: none; }
.panel li button { display: grid; grid-template-columns: minmax(5rem, 12rem) 1fr 4rem; gap: 0.6rem; align-items: center;
  width: 100%; padding: 0.25rem 0.4rem; border-radius: 0.4rem; }
.panel li button:not(:disabled):hover { background: color-mix(in srgb, currentColor 8%, transparent); }
.panel li button:focus-visible { outline: 2px solid var(--st-primary-color); }
.panel li button:disabled { cursor: default; opacity: 0.75; }
.panel li.own code { font-weight: 700; }
.panel code { white-space: pre; overflow: hidden; text-overflow: ellipsis; }
.bar { height: 0.5rem; border-radius: 0.25rem; background: linear-gradient(var(--st-primary-color) 0 0) no-repeat
  0 / var(--share) 100%, color-mix(in srgb, currentColor 10%, transparent); }
.value { text-align: right; font-variant-numeric: tabular-nums; }
"""
_component = st.components.v2.component(
    "mlc_token_view", html=_HTML, css=_CSS, js=Path(__file__).with_name("token_view.js").read_text(encoding="utf-8")
)


def draw_token_button(answer: AnswerSnapshot, key: str) -> None:
    """Under an answer whose tokens were kept. The dialog is drawn outside the fragment that polls."""
    if not any(answer.pieces) or not answer.progress.is_over:
        return
    if quiet_button("tokens.open", icon="data_array", key=f"icon_tokens_{key}", help=t("tokens.why")):
        st.session_state[_OPENED] = (answer.turn, answer.pane_id)
        st.rerun()


def draw_token_view(comparison: Comparison, snapshot: ComparisonSnapshot) -> None:
    """The dialog, if it was asked for."""
    place, pane_id = st.session_state.get(_OPENED, (None, ""))
    if place is None or place >= len(snapshot.turns) or pane_id not in snapshot.turns[place].answers:
        return
    turn = snapshot.turns[place]
    answer = turn.answers[pane_id]

    @st.dialog(tm("tokens.title", model=answer.model_name), width="large", on_dismiss=_close)
    def dialog() -> None:
        steps = steps_of(answer)
        if not steps:
            st.caption(t("tokens.none"))
            return
        st.caption(_summary(steps))
        _draw_tokens(comparison, answer, steps, goes_on=place == len(snapshot.turns) - 1)
        draw_parting(turn, answer, snapshot)
        draw_losses(turn, answer, snapshot)

    dialog()


def _close() -> None:
    st.session_state.pop(_OPENED, None)


def _summary(steps: list[TokenStep]) -> str:
    mean = sum(step.piece.logprob for step in steps) / len(steps)
    return t(
        "tokens.summary",
        tokens=say.count(len(steps)),
        unsure=say.count(sum(is_unsure(step.piece) for step in steps)),
        perplexity=f"{math.exp(min(-mean, 50)):.2f}",
    )


def _draw_tokens(comparison: Comparison, answer: AnswerSnapshot, steps: list[TokenStep], *, goes_on: bool) -> None:
    key = f"compare_tokens_{answer.answer_id}"

    def chosen() -> None:
        picked = st.session_state[key].get("chosen")
        if picked:
            _go_on(comparison, answer, steps, picked)

    words = ("label", "hint", "own", "go", "cannot")
    _component(
        data={
            "tokens": _entries(answer, steps),
            "goesOn": goes_on,
            "say": {word: t(f"tokens.{word}") for word in words},
        },
        key=key,
        on_chosen_change=chosen,
        width="stretch",
        height="content",
    )


def _entries(answer: AnswerSnapshot, steps: list[TokenStep]) -> list[dict[str, Any]]:
    """Tokens as the component draws them; text whose tokens were not kept stands among them as it is."""
    entries: list[dict[str, Any]] = []
    number = 0
    for place, leg in enumerate(answer.legs):
        pieces = answer.pieces[place] if place < len(answer.pieces) else ()
        if not pieces and leg.text:
            entries.append({"plain": True, "text": leg.text})
        for _ in pieces:
            entries.append(_entry(steps[number], number))
            number += 1
    return entries


def _entry(step: TokenStep, number: int) -> dict[str, Any]:
    piece = step.piece
    return {
        "text": piece.text,
        "number": number,
        "logprob": piece.logprob,
        "share": share(piece.logprob),
        "unsure": is_unsure(piece),
        "top": [
            {"text": one.text, "share": share(one.logprob), "goes": text_with(step, choice) is not None}
            for choice, one in enumerate(piece.top)
        ],
    }


def _go_on(comparison: Comparison, answer: AnswerSnapshot, steps: list[TokenStep], picked: Any) -> None:
    """Another attempt that begins as the answer does, with another token, from which the model goes on."""
    try:
        step, choice = steps[int(picked["place"])], int(picked["choice"])
    except (TypeError, ValueError, LookupError):
        return
    text = text_with(step, choice)
    if text is None or not text.strip():
        warn(t("tokens.cannot"))
        return

    async def work() -> bool:
        await comparison.rewrite(answer.pane_id, text, go_on=True)
        return True

    if perform(work(), comparison.id):
        _close()
