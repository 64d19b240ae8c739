"""Sampling that few need: other filters and penalties, chosen tokens, thoughts."""

from __future__ import annotations

from typing import Any

import streamlit as st

from multi_llm_comparator.core.config import MAX_DRY, ModelConfig
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.ui.compare.parameter_fields import Fields
from multi_llm_comparator.ui.kit.i18n import t

_THINKING: dict[str, bool | None] = {"usual": None, "on": True, "off": False}


def draw_more_sampling(fields: Fields) -> dict[str, Any]:
    """What is set in the form."""
    with st.expander(t("param.more"), key=f"{fields.key}_more"):
        left, right = st.columns(2)
        with left:
            changes: dict[str, Any] = {name: fields.scale(name, 0.0, 1.0, 0.01) for name in ("min_p", "typical_p")}
        with right:
            changes["frequency_penalty"] = fields.scale("frequency_penalty", -2.0, 2.0, 0.1, "frequency")
            changes["dry_multiplier"] = fields.scale("dry_multiplier", 0.0, MAX_DRY, 0.1, "dry")
        changes |= _draw_bias(fields.config, fields.key)
        return changes | _draw_thinking(fields)


def _draw_bias(config: ModelConfig, key: str) -> dict[str, Any]:
    shown = ", ".join(f"{token}: {bias:g}" for token, bias in (config.logit_bias or {}).items())
    typed = st.text_input(
        t("param.logit_bias"),
        shown,
        key=f"{key}_bias",
        placeholder=t("param.logit_bias_example"),
        help=t("param.logit_bias_why"),
    )
    try:
        return {"logit_bias": bias_from(typed)}
    except ValueError:
        st.warning(t("param.logit_bias_wrong"))
        return {}


def bias_from(typed: str) -> dict[int, float] | None:
    """``12: -100, 345: 2.5`` as token ids and biases; None for nothing.

    Raises:
        ValueError: it is written otherwise.
    """
    pairs = [pair.split(":") for pair in typed.replace("\n", ",").split(",") if pair.strip()]
    return {int(token): float(bias) for token, bias in pairs} or None


def _draw_thinking(fields: Fields) -> dict[str, Any]:
    """Whether a model that can think does, and for how long at most."""
    left, right = st.columns(2)
    known = next(name for name, value in _THINKING.items() if value is fields.config.enable_thinking)
    thinking = left.segmented_control(
        t("param.enable_thinking"),
        tuple(_THINKING),
        default=known,
        required=True,
        format_func=lambda name: t(f"param.thinking_{name}"),
        key=f"{fields.key}_thinking",
        help=t("param.enable_thinking_why"),
    )
    with right:
        none, limit = t("param.thinking_budget_none"), get_settings().max_tokens_limit
        budget = fields.number_or_none("thinking_budget", 1, limit, none, 64)
    return {"enable_thinking": _THINKING[thinking or "usual"], "thinking_budget": budget}
