"""The curves of a tuning as Plotly figures: the losses large, what explains them small beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.tracking.records import Point
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, Figure
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import Tone

LOSS, VALIDATION_LOSS = "loss", "validation_loss"
# In the order of their places: from the left, then down.
SMALL = ("learning_rate", "gradient_norm", "tokens_per_s", "memory_bytes")
# A browser draws this many without being felt; of longer curves every n-th point is drawn, and the last one.
MAX_POINTS = 500
# Of a loss, how much of the smoothed value is kept at each step.
SMOOTHING = 0.7
MIN_SMOOTHED = 8
_LOSS_PX, _SMALL_PX = 330, 330
_NAME_CHARS = 40
# Where the small charts stand, as shares of the figure's width and height.
_PLACES = (
    ((0.0, 0.44), (0.6, 0.93)),
    ((0.56, 1.0), (0.6, 0.93)),
    ((0.0, 0.44), (0.0, 0.33)),
    ((0.56, 1.0), (0.0, 0.33)),
)
_BYTES_PER_GB = 1e9


@dataclass(frozen=True)
class JobLine:
    """One job in a chart: what it is called, its colour, and its curves by series."""

    name: str
    tone: Tone
    curves: Mapping[str, Sequence[Point]]


# Others in thousands; a rate of 1.5 thousandths would be written with the sign of a million. Without a format it is
# written as 2e-4, and zero as 0.
_TICKS = {"memory_bytes": ".3~g", "learning_rate": ""}


def loss_chart(lines: Sequence[JobLine], page: str) -> Figure:
    """Losses by step, of one job or of several over each other. ``page`` is "light" or "dark"."""
    traces: list[Figure] = []
    alone = len(lines) == 1
    for line in lines:
        raw = thinned(line.curves.get(LOSS, ()))
        smooth = len(raw) >= MIN_SMOOTHED
        colour, title = line.tone.on(page), escape(cut_line(line.name, _NAME_CHARS))
        if smooth:
            traces.append(_line(raw, t("tune.series_loss"), colour, opacity=0.28, width=1))
        name = t("tune.series_loss") if alone else title
        values = smoothed([point.value for point in raw]) if smooth else None
        traces.append(_line(raw, name, colour, values=values, width=2.2, legend=True))
        if checked := thinned(line.curves.get(VALIDATION_LOSS, ())):
            ink = INK[page] if alone else colour
            name = t("tune.series_validation_loss") if alone else t("tune.validation_of", name=title)
            traces.append(_line(checked, name, ink, dash="dot", markers=True, legend=True))
    return {"data": traces, "layout": _loss_layout(page, is_empty=not any(trace["x"] for trace in traces))}


def small_charts(curves: Mapping[str, Sequence[Point]], tone: Tone, page: str) -> Figure:
    """Learning rate, gradient norm, tokens per second and memory, each in a place of its own; empty at first."""
    traces, axes, titles = [], {}, []
    for number, (series, (across, along)) in enumerate(zip(SMALL, _PLACES, strict=True), 1):
        suffix = "" if number == 1 else str(number)
        points = thinned(curves.get(series, ()))
        scale = _BYTES_PER_GB if series == "memory_bytes" else 1
        traces.append(
            {
                **_line(points, t(f"tune.series_{series}"), tone.on(page), values=[p.value / scale for p in points]),
                "xaxis": f"x{suffix}",
                "yaxis": f"y{suffix}",
            }
        )
        look: dict[str, Any] = {"zeroline": False, "fixedrange": True, "gridcolor": FAINT[page], "nticks": 4}
        look |= {"tickfont": {"size": 10}, "showticklabels": bool(points)}
        axes[f"xaxis{suffix}"] = {**look, "domain": list(across), "anchor": f"y{suffix}", "rangemode": "tozero"}
        axes[f"yaxis{suffix}"] = {
            **look,
            "domain": list(along),
            "anchor": f"x{suffix}",
            "rangemode": "tozero",
            "tickformat": _TICKS.get(series, ".2~s"),
            "exponentformat": "e",
        }
        titles.append(_title(t(f"tune.series_{series}"), across[0], along[1]))
    return {
        "data": traces,
        "layout": {
            **chart_look.layout(page),
            **axes,
            "height": _SMALL_PX,
            "margin": {"l": 40, "r": 8, "t": 8, "b": 24},
            "showlegend": False,
            "annotations": titles,
            "uirevision": "kept",
        },
    }


def thinned(points: Sequence[Point]) -> list[Point]:
    """The points to draw: all of a short curve; of a long one every n-th, and always the last."""
    if len(points) <= MAX_POINTS:
        return list(points)
    step = -(-len(points) // (MAX_POINTS - 1))
    kept = list(points[::step])
    return kept if kept[-1] is points[-1] else [*kept, points[-1]]


def smoothed(values: Sequence[float]) -> list[float]:
    """An exponential moving average that begins at the first value, not at zero (as Adam's is corrected)."""
    average, weight, out = 0.0, 0.0, []
    for value in values:
        average = SMOOTHING * average + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        out.append(average / weight)
    return out


def _line(
    points: Sequence[Point],
    name: str,
    colour: str,
    *,
    values: Sequence[float] | None = None,
    opacity: float = 1.0,
    width: float = 1.6,
    dash: str = "solid",
    markers: bool = False,
    legend: bool = False,
) -> Figure:
    return {
        "type": "scatter",
        # One point alone has no line to be seen by.
        "mode": "lines+markers" if markers or len(points) == 1 else "lines",
        "x": [point.step for point in points],
        "y": list(values) if values is not None else [point.value for point in points],
        "name": name,
        "opacity": opacity,
        "line": {"color": colour, "width": width, "dash": dash},
        # The first evaluation is before the first step: its mark is half outside.
        "cliponaxis": not markers,
        "marker": {"color": colour, "size": 6},
        "showlegend": legend,
        "hovertemplate": f"{t('tune.step_n', n='%{x}')}<br>{name}: %{{y:.4g}}<extra></extra>",
    }


def _loss_layout(page: str, *, is_empty: bool) -> Figure:
    axis: dict[str, Any] = {"zeroline": False, "gridcolor": FAINT[page]}
    return {
        **chart_look.layout(page),
        "height": _LOSS_PX,
        "margin": {"l": 44, "r": 8, "t": 34, "b": 40},
        "xaxis": {
            **axis,
            "fixedrange": True,
            "rangemode": "tozero",
            "title": {"text": t("tune.axis_step"), "standoff": 6, "font": {"size": 12}},
        },
        # Without a point there is no scale yet.
        "yaxis": {**axis, "fixedrange": True, "showticklabels": not is_empty},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "uirevision": "kept",
    }


def _title(text: str, x: float, y: float) -> Figure:
    place = {"x": x, "y": y, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "bottom"}
    return {**place, "text": text, "showarrow": False, "font": {"size": 11.5}}
