"""The chart of the Usage page: stacked bars over time, a colour for each model or key."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from multi_llm_comparator.tracking.usage import By, UsageTotal
from multi_llm_comparator.ui.kit import figures
from multi_llm_comparator.ui.kit.chart_look import FAINT, Figure, label, layout
from multi_llm_comparator.ui.kit.palette import MODEL_TONES, UNKNOWN

Measure = Literal["requests", "tokens", "cost"]
MEASURES: tuple[Measure, ...] = ("requests", "tokens", "cost")
HEIGHT_PX = 280
_VALUES: dict[Measure, Callable[[UsageTotal], float]] = {
    "requests": lambda one: one.requests,
    "tokens": lambda one: one.prompt_tokens + one.completion_tokens,
    "cost": lambda one: one.micro_usd / 1e6,
}
_SAID: dict[Measure, Callable[[float], str]] = {
    "requests": lambda value: figures.count(round(value)),
    "tokens": lambda value: figures.count(round(value)),
    "cost": figures.dollars,
}


def usage_chart(
    buckets: Sequence[UsageTotal],
    by: By,
    labels: Mapping[str, str],
    measure: Measure,
    span: tuple[float, float],
    bucket_s: float,
    timezone: str | None,
    page: str,
) -> Figure:
    """A Plotly figure as plain data.

    Args:
        buckets: what there was in each stretch of ``bucket_s`` seconds, by model or caller as ``by`` says.
        labels: what models or callers are called.
        measure: what the bars show.
        span: from when to when, in seconds since the epoch.
        timezone: the reader's.
        page: "light" or "dark".
    """
    names = sorted(labels, key=lambda name: -sum(_VALUES[measure](one) for one in buckets if getattr(one, by) == name))
    tones = [*MODEL_TONES[: len(names)], *[UNKNOWN] * (len(names) - len(MODEL_TONES))]
    traces = []
    for name, tone in zip(names, tones, strict=True):
        own = [one for one in buckets if getattr(one, by) == name]
        values = [_VALUES[measure](one) for one in own]
        traces.append(_bars(own, values, label(labels[name]), tone.on(page), measure, bucket_s, timezone))
    begin, end = (_moment(at, timezone) for at in span)
    look: dict[str, Any] = {
        **layout(page),
        "height": HEIGHT_PX,
        "barmode": "stack",
        "margin": {"l": 56, "r": 8, "t": 8, "b": 32},
        "showlegend": len(names) > 1,
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "xaxis": {"type": "date", "range": [begin, end], "gridcolor": FAINT[page], "fixedrange": True},
        "yaxis": {"rangemode": "tozero", "gridcolor": FAINT[page], "fixedrange": True, "zeroline": False},
    }
    if measure == "cost":
        look["yaxis"]["tickprefix"] = "$"
    return {"data": traces, "layout": look}


def _bars(
    own: Sequence[UsageTotal],
    values: Sequence[float],
    label: str,
    colour: str,
    measure: Measure,
    bucket_s: float,
    timezone: str | None,
) -> dict[str, Any]:
    return {
        "type": "bar",
        "x": [_moment(one.begins_at + bucket_s / 2, timezone) for one in own],
        "y": list(values),
        "width": bucket_s * 1000 * 0.9,
        "name": label,
        "marker": {"color": colour},
        "customdata": [
            [_moment(one.begins_at, timezone)[:16], _SAID[measure](value)]
            for one, value in zip(own, values, strict=True)
        ],
        "hovertemplate": "%{customdata[0]}<br>" + label + ": %{customdata[1]}<extra></extra>",
    }


def _moment(at: float, timezone: str | None) -> str:
    """As the chart's axis reads it: the reader's own time."""
    return datetime.fromtimestamp(at, figures.zone(timezone)).strftime("%Y-%m-%d %H:%M:%S")
