"""How a tuned model came about, as its ``tuning.json`` tells: base, data, options, curve, what was left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.ui.kit.html_pieces import fact_name, facts
from multi_llm_comparator.ui.kit.i18n import t

MAX_POINTS = 2_000
MAX_ROWS = 60
MAX_VALUE_CHARS = 300
# What is drawn, and what makes rows by its own parts.
_CURVES = ("curves", "losses", "validation_losses")
_LOSSES = {"losses": "loss", "validation_losses": "validation_loss"}


def draw_lineage(model: ModelInfo) -> None:
    """The lineage of a tuned model; nothing for what has none."""
    lineage = model.config.get("lineage")
    if not isinstance(lineage, Mapping):
        return
    st.subheader(t("models.lineage"))
    if curves := curves_of(lineage):
        st.line_chart(
            pd.DataFrame(curves).interpolate(limit_area="inside"),
            height=180,
            x_label=t("models.lineage_steps"),
            y_label=t("models.lineage_loss"),
        )
    st.html(facts([(fact_name(name), value) for name, value in rows_of(lineage)]))


def curves_of(lineage: Mapping[str, Any]) -> dict[str, Any]:
    """The loss curves by name, as step to value; whoever wrote the file, only finite numbers are drawn."""
    found: dict[str, Any] = {}
    stored = lineage.get("curves")
    for name, points in stored.items() if isinstance(stored, Mapping) else ():
        if isinstance(name, str) and "loss" in name:
            found[name] = _series(points)
    for key, name in _LOSSES.items():
        if name not in found:
            found[name] = _series(lineage.get(key))
    return {name[:40]: series for name, series in found.items() if len(series) > 1}


def _series(points: Any) -> Any:
    """Pairs of step and value, or values one after the other."""
    placed: dict[float, float] = {}
    for number, point in enumerate(points[:MAX_POINTS] if isinstance(points, Sequence) else ()):
        pair = (
            point
            if isinstance(point, Sequence) and not isinstance(point, str) and len(point) == 2
            else (number + 1, point)
        )
        if all(isinstance(part, int | float) and math.isfinite(part) for part in pair):
            placed[float(pair[0])] = float(pair[1])
    return pd.Series(placed, dtype=float)


def rows_of(lineage: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The rest as rows of name and text; objects make a row for each of their parts."""
    rows: list[tuple[str, str]] = []
    for name, value in lineage.items():
        if name in _CURVES or value in (None, "", [], {}):
            continue
        parts = value.items() if isinstance(value, Mapping) else [("", value)]
        for part, own in parts:
            shown = own if isinstance(own, str) else _short(own)
            rows.append((f"{name} {part}".strip()[:80], shown[:MAX_VALUE_CHARS]))
    return rows[:MAX_ROWS]


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
