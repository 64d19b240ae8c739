"""What the other panes' models lose on an answer: how far their predictions are from those of who wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import streamlit as st

from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.evaluation.answer_loss import AnswerLoss, AnswerLosses, loss_on_answer, scoring_config
from multi_llm_comparator.ui.kit.actions import perform, refusal
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.html_pieces import letter
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench

_FOUND = "compare_losses"
# Models may have to be loaded for it.
TIMEOUT_S = 600.0
MAX_KEPT = 8
MAX_TOKENS_SHOWN = 600


def draw_losses(turn: TurnSnapshot, answer: AnswerSnapshot, snapshot: ComparisonSnapshot) -> None:
    """A button that measures, and what it found."""
    models = get_workbench().models
    others = {
        pane.target: pane.config
        for pane in snapshot.panes
        if pane.target != answer.target and models.find(pane.target) is not None
    }
    if models.find(answer.target) is None or not others or not answer.text:
        return
    with st.expander(t("tokens.loss"), key=f"compare_loss_{answer.answer_id}"):
        st.caption(t("tokens.loss_why"))
        if button("tokens.loss_start", icon="balance", key="compare_loss_start"):
            with st.spinner(t("tokens.loss_running")):
                _measure(answer, others)
        found: AnswerLosses | None = _kept().get(answer.answer_id)
        if found is not None:
            names = {pane.target: f"{letter(i)} · {_name(pane.target)}" for i, pane in enumerate(snapshot.panes)}
            for target in (target for target in others if target in found.losses):
                _draw_loss(names[target], found, target)


def _name(target: str) -> str:
    model = get_workbench().models.find(target)
    return model.name if model is not None else target


def _kept() -> dict[str, AnswerLosses]:
    kept: dict[str, AnswerLosses] = st.session_state.setdefault(_FOUND, {})
    return kept


def _measure(answer: AnswerSnapshot, others: Mapping[str, ModelConfig]) -> None:
    config = scoring_config(answer.config)
    # Contexts of different lengths would be other models in memory: the reference's counts.
    configs = {answer.target: config, **{target: _like(one, config) for target, one in others.items()}}
    pieces = [piece.id for leg in answer.pieces for piece in leg]
    knows_all = bool(pieces) and all(id >= 0 for id in pieces) and len(answer.legs) == 1
    work = loss_on_answer(
        get_workbench().engine,
        answer.target,
        tuple(others),
        answer.legs[0].prompt,
        answer.text,
        configs=configs,
        tokens=pieces if knows_all else (),
    )
    found = perform(work, timeout_s=TIMEOUT_S)
    if found is not None:
        kept = _kept()
        while len(kept) >= MAX_KEPT:
            kept.pop(next(iter(kept)))
        kept[answer.answer_id] = found


def _like(config: ModelConfig, reference: ModelConfig) -> ModelConfig:
    loaded = scoring_config(config)
    loaded.n_ctx = reference.n_ctx
    return loaded


def _draw_loss(name: str, found: AnswerLosses, target: str) -> None:
    loss = found.losses[target]
    if not isinstance(loss, AnswerLoss):
        st.html(f'<p><b>{escape(name)}</b><br><span class="mlc-muted">{escape(refusal(loss))}</span></p>')
        return
    said = t("tokens.loss_found", kl=f"{loss.mean_kl:.4f}", agreement=f"{100 * loss.top1_agreement:.1f}")
    where = t("tokens.loss_never")
    if loss.breaks_at is not None:
        where = t("tokens.loss_breaks", place=loss.breaks_at + 1, token=repr(loss.instead))
    st.html(
        f"<p><b>{escape(name)}</b><br>{escape(said)} {escape(where)}</p>"
        f'<p class="mlc-token-loss">{_coloured(found.tokens, loss)}</p>'
    )


def _coloured(tokens: tuple[str, ...], loss: AnswerLoss) -> str:
    """The answer with each token as strong in colour as the predictions differ there."""
    spans = []
    for place, (text, kl) in enumerate(zip(tokens[:MAX_TOKENS_SHOWN], loss.by_token, strict=False)):
        tint = round(min(65.0, 40 * kl))
        mark = ' class="mlc-breaks"' if place == loss.breaks_at else ""
        title = f"{kl:.3f} nats"
        spans.append(f'<span{mark} style="--tint:{tint}%" title="{title}">{escape(text)}</span>')
    return "".join(spans) + ("…" if len(tokens) > MAX_TOKENS_SHOWN else "")
