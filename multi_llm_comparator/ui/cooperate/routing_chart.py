"""The chart of routing: quality over cost, with what needs no router beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from multi_llm_comparator.routing.curves import Curves, Point
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, MUTED, Figure, label, layout
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import MODEL_TONES, UNKNOWN

HEIGHT_PX = 360


def routing_chart(curves: Curves, chosen: float, page: str) -> Figure:
    """A Plotly figure as plain data. ``chosen`` is the quality_priority that is marked, ``page`` "light" or "dark"."""
    learnt, rules, oracle = (tone.on(page) for tone in MODEL_TONES[:3])
    marked = min(curves.learnt, key=lambda point: abs((point.quality_priority or 0) - chosen), default=None)
    traces = [
        _line(curves.learnt, t("routing.learnt"), learnt, "solid", curves.unit),
        _line(curves.rules, t("routing.rules"), rules, "dash", curves.unit),
        _line(curves.oracle, t("routing.oracle"), oracle, "dot", curves.unit),
        _points(curves.singles, t("routing.singles"), UNKNOWN.on(page), "circle", curves.unit),
        _points([curves.random], t("routing.random"), MUTED[page], "x", curves.unit),
    ]
    if marked is not None:
        traces.append(_points([marked], t("routing.chosen"), INK[page], "circle-open", curves.unit, 15))
    return {
        "data": traces,
        "layout": {
            **layout(page),
            "height": HEIGHT_PX,
            "margin": {"l": 56, "r": 8, "t": 8, "b": 44},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "xaxis": {
                "title": {"text": label(t("routing.cost_axis", unit=curves.unit))},
                "gridcolor": FAINT[page],
                "fixedrange": True,
                "type": "log" if min((p.cost for p in curves.singles), default=0) > 0 else "linear",
            },
            "yaxis": {
                "title": {"text": t("routing.quality_axis")},
                "tickformat": ".0%",
                "gridcolor": FAINT[page],
                "fixedrange": True,
                "zeroline": False,
            },
        },
    }


def _line(points: Sequence[Point], name: str, colour: str, dash: str, unit: str) -> dict[str, Any]:
    ordered = sorted(points, key=lambda point: point.cost)
    return {
        **_trace(ordered, name, unit),
        "mode": "lines+markers",
        "line": {"color": colour, "dash": dash, "width": 2},
        "marker": {"color": colour, "size": 6},
    }


def _points(points: Sequence[Point], name: str, colour: str, symbol: str, unit: str, size: int = 9) -> dict[str, Any]:
    look = {"color": colour, "symbol": symbol, "size": size, "line": {"width": 2}}
    return {**_trace(points, name, unit), "mode": "markers", "marker": look}


def _trace(points: Sequence[Point], name: str, unit: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "x": [point.cost for point in points],
        "y": [point.quality for point in points],
        "name": name,
        "customdata": [
            [label(_said(point, name)), f"{point.quality:.1%}", f"{point.cost:.3g} {unit}"] for point in points
        ],
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}, %{customdata[2]}<extra></extra>",
    }


def _said(point: Point, name: str) -> str:
    if point.name:
        return point.name
    return name if point.quality_priority is None else t("routing.point", name=name, priority=point.quality_priority)
