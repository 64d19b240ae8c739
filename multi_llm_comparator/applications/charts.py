"""Charts of results as Plotly takes them: plain data with titles, no colours, which belong to the page."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.applications.decision.problem import Decision
from multi_llm_comparator.applications.insight.compute import fitted_line
from multi_llm_comparator.applications.insight.figures import Data, Series
from multi_llm_comparator.applications.results import DataInsight, DecisionSupport, Result
from multi_llm_comparator.applications.words import words_of
from multi_llm_comparator.core.readable import Language

Chart = dict[str, Any]
MAX_CHARTS = 12
MAX_BARS = 30


def service_charts(result: Result) -> list[Chart]:
    """The charts of a result; none where it is all text."""
    if isinstance(result, DataInsight):
        outliers = (
            {(one.series, one.labels["at"]) for one in result.data.findings if one.code == "outlier"}
            if result.kind == "anomalies"
            else set()
        )
        return data_charts(result.data, outliers)
    return decision_charts(result.decision, result.language) if isinstance(result, DecisionSupport) else []


def data_charts(data: Data, outliers: set[tuple[str, str]]) -> list[Chart]:
    """A line for values in time, with its trend; bars for others. ``outliers`` are marked: series and label."""
    return [
        _line(one, outliers) if one.is_ordered else _bars(one, outliers)
        for one in data.series[:MAX_CHARTS]
        if len(one.values) > 1
    ]


def _line(one: Series, outliers: set[tuple[str, str]]) -> Chart:
    labels, values = list(one.labels), list(one.values)
    slope, start, _ = fitted_line(values)
    marked = [at for at, label in enumerate(labels) if (one.name, label) in outliers]
    traces: list[Chart] = [
        {"type": "scatter", "mode": "lines+markers", "name": one.name, "x": labels, "y": values},
        {
            "type": "scatter",
            "mode": "lines",
            "name": "trend",
            "x": labels,
            "y": [start + slope * at for at in range(len(labels))],
            "line": {"dash": "dot"},
        },
    ]
    if marked:
        traces.append(_marks([labels[at] for at in marked], [values[at] for at in marked]))
    # Labels such as 2024-01 are names here: their order is that of the data.
    return _chart(one.title, traces, {"xaxis": {"type": "category"}, "yaxis": {"title": {"text": one.unit}}})


def _bars(one: Series, outliers: set[tuple[str, str]]) -> Chart:
    order = sorted(range(len(one.values)), key=lambda at: -one.values[at])[:MAX_BARS]
    labels, values = [one.labels[at] for at in order], [one.values[at] for at in order]
    traces: list[Chart] = [{"type": "bar", "name": one.name, "x": labels, "y": values}]
    marked = [at for at, label in enumerate(labels) if (one.name, label) in outliers]
    if marked:
        traces.append(_marks([labels[at] for at in marked], [values[at] for at in marked]))
    return _chart(one.title, traces, {"xaxis": {"type": "category"}, "yaxis": {"title": {"text": one.unit}}})


def _marks(x: list[str], y: list[float]) -> Chart:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "outlier",
        "x": x,
        "y": y,
        "marker": {"size": 14, "symbol": "circle-open"},
    }


def decision_charts(decision: Decision, language: Language) -> list[Chart]:
    """The totals, made of what each criterion gives, and for each criterion the totals over its weight."""
    say = words_of(language)
    scores = {(score.option, score.criterion): score.value for score in decision.scores}
    order = sorted(decision.problem.options, key=lambda option: -decision.totals[option.name])
    names = [option.title + (f" ({say('excluded')})" if option.name in decision.excluded else "") for option in order]
    stacked: list[Chart] = [
        {
            "type": "bar",
            "name": one.name,
            "x": names,
            "y": [one.weight * scores[option.name, one.name] for option in order],
        }
        for one in decision.problem.criteria
    ]
    charts = [_chart(say("score"), stacked, {"barmode": "stack", "yaxis": {"range": [0, 5]}})]
    for moved in decision.movements:
        lines: list[Chart] = [
            {
                "type": "scatter",
                "mode": "lines",
                "name": decision.option(name).title,
                "x": [100 * weight for weight in moved.weights],
                "y": list(totals),
            }
            for name, totals in moved.totals.items()
        ]
        here = 100 * moved.weight
        mark = {
            "type": "line",
            "x0": here,
            "x1": here,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"dash": "dot", "width": 1},
        }
        extra = {"xaxis": {"title": {"text": f"{say('weight')}: {moved.criterion} (%)"}}, "shapes": [mark]}
        charts.append(_chart(f"{say('sensitivity')}: {moved.criterion}", lines, extra))
    return charts


def _chart(title: str, traces: list[Chart], layout: Chart) -> Chart:
    return {"data": traces, "layout": {"title": {"text": title}, **layout}}
