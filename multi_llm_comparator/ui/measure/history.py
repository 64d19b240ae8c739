"""What evaluations found of these models over time: a line for each, and the way to each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

import streamlit as st

from multi_llm_comparator.evaluation.measuring.registry import Past
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.spec import Subject
from multi_llm_comparator.evaluation.measuring.words import source_name, words_of
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.chart_look import FAINT, MUTED, Figure, label, layout
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.measure.state import RUN
from multi_llm_comparator.workbench import get_workbench

HEIGHT_PX = 300
SHOWN_PAST = 10
# Sources of one model are told apart by their signs, not by colour.
_SIGNS = ("circle", "square", "diamond", "cross", "x", "triangle-up")


def draw_history(snapshot: EvaluationSnapshot) -> None:
    """A chart of all results of these models, this evaluation's too, and a list of the others, the latest first."""
    with st.expander(t("measure.history"), icon=":material/timeline:", key="measure_history", on_change="rerun") as box:
        if not box.open:
            return
        subjects = {subject.target: subject for subject in snapshot.spec.subjects}
        evaluations = get_workbench().evaluations
        past = {target: perform(evaluations.history(target), snapshot.id) or [] for target in subjects}
        if not any(one.run_id != snapshot.id for found in past.values() for one in found):
            st.caption(t("measure.no_history"))
            return
        live_chart(
            history_figure(subjects, past, st.context.theme.type or "light"),
            f"measure_history_chart_{snapshot.id}",
            alt=t("measure.history_alt"),
            name="history",
            on_pick=lambda run_id: RUN.open(run_id) if run_id != snapshot.id else None,
        )
        for target, subject in subjects.items():
            others = [one for one in past[target] if one.run_id != snapshot.id]
            for number, one in enumerate(others[:SHOWN_PAST]):
                _draw_past(subject.name, one, f"{subject.id}_{number}")


def history_figure(subjects: Mapping[str, Subject], past: Mapping[str, Sequence[Past]], page: str) -> Figure:
    """Scores with their intervals over time, a line for each model and what it was asked; a point opens its run."""
    traces = []
    sources = list(dict.fromkeys(one.score.source for found in past.values() for one in found))
    for target, found in past.items():
        for source in dict.fromkeys(one.score.source for one in found):
            points = sorted((one for one in found if one.score.source == source), key=lambda one: one.created_at)
            sign = _SIGNS[sources.index(source) % len(_SIGNS)]
            traces.append(_trace(subjects[target], source, points, sign, page))
    axis: Figure = {"gridcolor": FAINT[page], "color": MUTED[page], "fixedrange": True, "automargin": True}
    return {
        "data": traces,
        "layout": {
            **layout(page),
            "height": HEIGHT_PX,
            "margin": {"l": 56, "r": 24, "t": 8, "b": 40},
            "hovermode": "closest",
            "legend": {"orientation": "h", "y": -0.2},
            "showlegend": True,
            "xaxis": {**axis, "type": "date"},
            "yaxis": {**axis, "title": {"text": t("measure.score")}, "tickformat": ".0%"},
        },
    }


def _trace(subject: Subject, source: str, points: Sequence[Past], sign: str, page: str) -> dict[str, Any]:
    colour = tone_of(subject.target).on(page)
    scores = [one.score for one in points]
    told = source_name(words_of(current_language()), source)
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": label(f"{subject.name} · {told}"),
        "x": [datetime.fromtimestamp(one.created_at, UTC).isoformat() for one in points],
        "y": [score.mean for score in scores],
        "customdata": [[one.run_id, label(one.title), tn("measure.items", one.score.n)] for one in points],
        "hovertemplate": "%{customdata[1]}<br>%{y:.1%} · %{customdata[2]}<br>%{x}<extra></extra>",
        "line": {"color": colour, "width": 1.5},
        "marker": {"color": colour, "size": 9, "symbol": sign},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [score.high - score.mean for score in scores],
            "arrayminus": [score.mean - score.low for score in scores],
            "color": colour,
            "thickness": 1,
            "width": 3,
        },
    }


def _draw_past(name: str, past: Past, key: str) -> None:
    score = past.score
    words = f"{100 * score.mean:.1f}% ({100 * score.low:.1f}–{100 * score.high:.1f}%)"
    source = source_name(words_of(current_language()), score.source)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(
            f'<div class="mlc-models">{escape(name)} · <b>{escape(words)}</b> · '
            f"{escape(tn('measure.items', score.n))} · {escape(source)} · {escape(past.title)}</div>",
            width="stretch",
        )
        quiet_button("history.open", RUN.open, past.run_id, icon="open_in_new", key=f"icon_measure_past_{key}")
