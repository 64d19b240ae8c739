"""The charts of results in the colours of the page."""

from __future__ import annotations

from html import escape
from typing import Any

from multi_llm_comparator.applications.charts import Chart
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, MUTED
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import MODEL_TONES, STATE_TONES

HEIGHT_PX = 300
# For the title and a line of the legend; for each line more of it.
TOP_PX, LEGEND_LINE_PX = 66, 19


def drawn(chart: Chart, page: str) -> Chart:
    """A chart as Plotly draws it here. ``page`` is "light" or "dark"."""
    traces = [_coloured(_plain(trace), number, page) for number, trace in enumerate(chart["data"])]
    given = {name: _plain(part) if isinstance(part, dict) else part for name, part in chart["layout"].items()}
    axis = {"zeroline": False, "gridcolor": FAINT[page], "fixedrange": True, "automargin": True}
    return {
        "data": traces,
        "layout": {
            **chart_look.layout(page),
            **given,
            "height": HEIGHT_PX,
            "margin": {"l": 48, "r": 10, "t": TOP_PX, "b": 44},
            "font": {"size": 12.5, "color": INK[page]},
            "title": {**given["title"], "x": 0, "y": 0.97, "yanchor": "top", "font": {"size": 14}},
            "xaxis": {**axis, **given.get("xaxis", {})},
            "yaxis": {**axis, **given.get("yaxis", {})},
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
            "showlegend": len(traces) > 1,
            # There each of its names has a line of its own.
            "meta": {"narrow": {"margin": {"t": TOP_PX + LEGEND_LINE_PX * (len(traces) - 1)}}},
        },
    }


def _plain(part: Chart) -> Chart:
    """Names and labels as they stand in the document: Plotly takes some of HTML for markup."""
    return {name: _plain_value(value) for name, value in part.items()}


def _plain_value(value: Any) -> Any:
    match value:
        case str():
            return escape(value)
        case dict():
            return _plain(value)
        case list():
            return [escape(one) if isinstance(one, str) else one for one in value]
    return value


def _coloured(trace: Chart, number: int, page: str) -> Chart:
    names = {"trend": t("services.trend"), "outlier": t("services.outlier")}
    colour = MODEL_TONES[number % len(MODEL_TONES)].on(page)
    if trace["name"] == "trend":
        colour = MUTED[page]
    if trace["name"] == "outlier":
        colour = STATE_TONES["failed"].on(page)
    marked = {"marker": {**trace.get("marker", {}), "color": colour}}
    lined = {"line": {**trace.get("line", {}), "color": colour}} if trace["type"] == "scatter" else {}
    return {**trace, **marked, **lined, "name": names.get(trace["name"], trace["name"])}
