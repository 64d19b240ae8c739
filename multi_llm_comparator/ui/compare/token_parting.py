"""Where the tokens of two panes' answers part, and what each model thought at that place."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot
from multi_llm_comparator.comparison.token_paths import parting, share, share_tokenizer, steps_of
from multi_llm_comparator.core.token_pieces import TokenPiece
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.html_pieces import letter
from multi_llm_comparator.ui.kit.i18n import t

_BESIDE = "compare_tokens_beside"


def draw_parting(turn: TurnSnapshot, answer: AnswerSnapshot, snapshot: ComparisonSnapshot) -> None:
    """Beside another pane's answer to the same prompt, if there is one whose tokens were kept."""
    ids = [pane.id for pane in snapshot.panes]
    others = [other for other in ids if other != answer.pane_id and _tokens(turn.answers.get(other))]
    if not others:
        return
    st.markdown(f"**{t('tokens.beside')}**")
    if st.session_state.get(_BESIDE) not in others:
        st.session_state[_BESIDE] = others[0]
    chosen = st.segmented_control(
        t("tokens.beside"),
        others,
        required=True,
        format_func=lambda one: letter(ids.index(one)),
        label_visibility="collapsed",
        key=_BESIDE,
    )
    other = turn.answers[chosen or others[0]]
    own, theirs = _tokens(answer), _tokens(other)
    if not share_tokenizer(own, theirs):
        st.caption(t("tokens.other_tokenizer"))
        return
    found = parting(own, theirs)
    if found is None:
        st.caption(t("tokens.never_part", tokens=say.count(len(own))))
        return
    st.caption(t("tokens.part", tokens=say.count(found.same)))
    left, right = st.columns(2)
    for column, model, piece in ((left, answer, found.first), (right, other, found.second)):
        head = f"{letter(ids.index(model.pane_id))} · {model.model_name}" if model.pane_id in ids else model.model_name
        column.html(_distribution(head, piece))


def _tokens(answer: AnswerSnapshot | None) -> list[TokenPiece]:
    if answer is None or not answer.progress.is_over:
        return []
    return [step.piece for step in steps_of(answer)]


def _distribution(head: str, piece: TokenPiece | None) -> str:
    if piece is None:
        return f'<p><b>{escape(head)}</b></p><p class="mlc-muted">{escape(t("tokens.ended"))}</p>'
    top = [(one.text, one.logprob) for one in piece.top] or [(piece.text, piece.logprob)]
    rows = "".join(
        f"<tr><td><code>{_word(text)}</code></td><td>{100 * share(logprob):.1f}&nbsp;%</td></tr>"
        for text, logprob in top
    )
    wrote = escape(t("tokens.wrote"))
    return (
        f"<p><b>{escape(head)}</b><br>{wrote} <code>{_word(piece.text)}</code></p>"
        f'<table class="mlc-token-top"><tbody>{rows}</tbody></table>'
    )


def _word(text: str) -> str:
    """A token as one sees it: blanks alone would not be."""
    seen = text if text.strip() else text.replace(" ", "␣")
    return escape(seen.replace("\n", "⏎").replace("\t", "⇥"))
