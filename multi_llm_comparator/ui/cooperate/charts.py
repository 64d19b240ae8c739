"""The charts of a cooperation: how votes stand, and what ran when. Plotly figures as plain data."""

from __future__ import annotations

from collections import defaultdict
from html import escape
from typing import Any

from multi_llm_comparator.cooperation.lanes import cooperation_lanes
from multi_llm_comparator.cooperation.outcome import Count
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.cooperation.words import part_text, words_of
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.chart_look import FAINT, Figure
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.html_pieces import TAIL_CHARS
from multi_llm_comparator.ui.kit.i18n import current_language, t
from multi_llm_comparator.ui.plans.targets import name_of

ROW_PX, FRAME_PX, LEFT_PX, NARROW_LEFT_PX = 26, 60, 190, 172
# Of a row. Left to Plotly, bars of a colour that fewer rows have are thicker.
BAR = 0.65
MAX_CHOICES = 12
_LABEL_CHARS = 26
# Waiting is pale, reading less so, writing full: as in the chart of a plan.
_OPACITY = {"model": 0.16, "load": 0.3, "prefill": 0.45, "decode": 1.0}


def vote_figure(run: CooperationSnapshot, count: Count, page: str) -> Figure:
    """A bar for each choice, made of the weights of who voted for it, in their colours."""
    standings = count.tally.standings[:MAX_CHOICES]
    labels = [cut_line(count.words(standing.choice), _LABEL_CHARS) for standing in standings]
    by_target: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, standing in enumerate(standings):
        share = standing.weight / len(standing.voters)
        for voter in standing.voters:
            call = run.calls.get(voter)
            member = call.member if call is not None else None
            weight = run.spec.weight(member) if member is not None else share
            by_target[call.target if call is not None else voter].append((number, weight or share))
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": name_of(target),
            "y": [number for number, _ in cast],
            "x": [weight for _, weight in cast],
            "width": BAR,
            "marker": {"color": tone_of(target).on(page)},
            "hovertemplate": f"{escape(name_of(target))}: %{{x:.3g}}<extra></extra>",
        }
        for target, cast in by_target.items()
    ]
    return {"data": traces, "layout": _layout(labels, t("cooperate.weight"), page, legend=True)}


def lane_figure(run: CooperationSnapshot, at: float | None, page: str) -> Figure:
    """A lane for each call, from the first question on, in the colours of who was asked."""
    lanes, say_word = cooperation_lanes(run, at), words_of(current_language())
    calls = list(run.calls.values())
    labels = [
        lane_label(part_text(call.purpose, call.role, current_language()), name_of(call.target))
        for call in calls[: len(lanes.rows)]
    ]
    bars: dict[tuple[str, str], list[tuple[int, float, float]]] = defaultdict(list)
    for number, _, span in lanes.spans():
        bars[span.kind, span.answered_by].append((number, span.start_s, span.end_s))
    traces = []
    for (kind, who), found in bars.items():
        word = t("phase.decode") if kind == "decode" else say_word(f"stretch_{kind}")
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": [number for number, _, _ in found],
                "base": [start for _, start, _ in found],
                "x": [end - start for _, start, end in found],
                "width": BAR,
                "marker": {"color": tone_of(who).on(page), "opacity": _OPACITY.get(kind, 1.0)},
                "customdata": [say.seconds(end - start) for _, start, end in found],
                "hovertemplate": f"{escape(name_of(who))} · {escape(word)}: %{{customdata}}<extra></extra>",
                "showlegend": False,
            }
        )
    return {"data": traces, "layout": _layout(labels, t("chart.seconds"), page, legend=False)}


def lane_label(part: str, name: str) -> str:
    """What was asked for and of whom, as long as a lane's name may be: quantizations of a model differ at the end."""
    room = _LABEL_CHARS - len(part) - len(" · ")
    if len(name) > room > TAIL_CHARS + 1:
        name = f"{name[: room - TAIL_CHARS - 1]}…{name[-TAIL_CHARS:]}"
    return cut_line(f"{part} · {name}", _LABEL_CHARS)


def _layout(labels: list[str], axis: str, page: str, *, legend: bool) -> dict[str, Any]:
    rows = max(1, len(labels))
    return {
        **chart_look.layout(page),
        "barmode": "stack" if legend else "overlay",
        "height": FRAME_PX + rows * ROW_PX + (22 if legend else 0),
        "margin": {"l": LEFT_PX, "r": 12, "t": 26 if legend else 8, "b": 36},
        "xaxis": {
            "title": {"text": axis, "standoff": 6, "font": {"size": 12}},
            "rangemode": "tozero",
            "zeroline": False,
            "fixedrange": True,
            "gridcolor": FAINT[page],
        },
        "yaxis": {
            "tickmode": "array",
            "tickvals": list(range(len(labels))),
            "ticktext": [escape(label) for label in labels],
            "range": [rows - 0.5, -0.5],
            "fixedrange": True,
        },
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "uirevision": "kept",
        # On a phone the legend would lie over the bars; the cards wear the same colours.
        "meta": {
            "narrow": {
                "margin": {"l": NARROW_LEFT_PX, "r": 8, "t": 26 if legend else 8, "b": 36},
                "legend": {"visible": False},
            }
        },
    }
