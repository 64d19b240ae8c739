"""The chart beneath a turn: where each answer's time went, and how fast it was written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unicodedata import east_asian_width

import streamlit as st

from multi_llm_comparator.comparison.figures import Figures
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot
from multi_llm_comparator.comparison.turn_lanes import PHASES, turn_lanes
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.chart_look import FAINT
from multi_llm_comparator.ui.kit.html_pieces import TAIL_CHARS, letter
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.palette import Tone
from multi_llm_comparator.ui.kit.phases import PHASE_TONES
from multi_llm_comparator.ui.kit.theme import page_tone

# While answers grow the chart follows: often enough to be live, seldom enough to be calm. Drawing it takes a browser a
# tenth of a second of a core, on a small machine from the models.
REDRAW_S = 2.0 if available_cpus() <= 4 else 1.0
FIRST_DRAW_S = 0.4
_ROW_PX, _FRAME_PX = 30, 96
_MAX_NAME = 26
# Room for names at the left. Plotly would measure them, and for that draw everything twice.
_LETTER_PX, _BESIDE_PX = 6.5, 12
_MARGIN = {"r": 8, "t": 30, "b": 36}
# The number beside the longest bar needs room: so much more than the bar itself.
_ROOM_FOR_NUMBERS = 1.32


def has_times(answers: Sequence[AnswerSnapshot]) -> bool:
    """Whether there is anything to draw: a turn whose answers all failed before they began has no times."""
    return any(answer.progress.state != "failed" or answer.figures.tokens for answer in answers)


def draw_chart(answers: Sequence[AnswerSnapshot], tones: Sequence[Tone], told: Sequence[str], key: str) -> None:
    """Draw it; while an answer is being written the last figure is kept for a moment, so that nothing flickers.

    A new turn's answers come first: building a chart keeps a browser from showing them for a tenth of a second or more.
    """
    kept = st.session_state.get(f"compare_{key}")
    over = all(answer.progress.is_over for answer in answers)
    mark = (page_tone(), over, tuple(answer.answer_id for answer in answers))
    if not over and (kept is None or kept[1][2] != mark[2]):
        kept = (now() - REDRAW_S + FIRST_DRAW_S, mark, None)
        st.session_state[f"compare_{key}"] = kept
    elif kept is None or kept[1] != mark or now() - kept[0] > REDRAW_S or over:
        kept = (now(), mark, chart(answers, tones, told, page_tone()))
        st.session_state[f"compare_{key}"] = kept
    with st.container(key=f"chart_box_{key}"):
        if kept[2] is None:
            st.html(f'<div style="height:{_height(len(answers))}px"></div>')
            return
        live_chart(kept[2], key, alt=t("chart.alt"), name=f"comparison-{key}")


def chart(answers: Sequence[AnswerSnapshot], tones: Sequence[Tone], told: Sequence[str], page: str) -> dict[str, Any]:
    """A Plotly figure as plain data: stacked times on the left, tokens per second on the right. Times in seconds.
    ``tones`` are the panes' colours; ``told`` stands for the model's name where panes of one model differ in it."""
    lanes = turn_lanes(answers, now())
    names = [f"{letter(i)} · {_short(told[i] or row.label)}" for i, row in enumerate(lanes.rows)]
    decode_colours = [tone.on(page) for tone in tones]
    taken = [{span.kind: span.end_s - span.start_s for span in row.spans} for row in lanes.rows]
    traces = [
        _bars(
            names,
            [lengths.get(phase) for lengths in taken],
            t(f"phase.{phase}"),
            _faint(PHASE_TONES[phase].on(page)) if phase in PHASE_TONES else decode_colours,
        )
        for phase in PHASES
    ]
    traces[-1]["showlegend"] = False
    traces.append({**_bars(names[:1], [None], t("chart.writing"), decode_colours[:1]), "showlegend": True})
    traces.append(_speeds(names, [answer.figures for answer in answers], decode_colours, page))
    fastest = max((answer.figures.tokens_per_second or 0.0 for answer in answers), default=0.0)
    return {"data": traces, "layout": _layout(names, fastest, page)}


def _faint(colour: str) -> str:
    """What comes before the writing stands back behind it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.42)"


def _bars(names: list[str], lengths: Sequence[float | None], label: str, colour: str | list[str]) -> dict[str, Any]:
    return {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": list(lengths),
        "name": label,
        "marker": {"color": colour},
        "customdata": [say.seconds(length) for length in lengths],
        "hovertemplate": "%{y}<br>" + label + ": %{customdata}<extra></extra>",
    }


def _speeds(names: list[str], known: Sequence[Figures], colours: list[str], page: str) -> dict[str, Any]:
    texts = [f"{say.speed(f.tokens_per_second)}" if f.tokens_per_second else "" for f in known]
    return {
        "type": "bar",
        "orientation": "h",
        "y": names,
        "x": [f.tokens_per_second for f in known],
        "xaxis": "x2",
        "marker": {"color": colours},
        "text": texts,
        # Beside the bar: within a short one it would be set upright.
        "textposition": "outside",
        "textangle": 0,
        "cliponaxis": False,
        "showlegend": False,
        "hovertemplate": "%{y}<br>%{x:.1f} " + t("figure.speed_unit") + "<extra></extra>",
    }


def _layout(names: Sequence[str], fastest: float, page: str) -> dict[str, Any]:
    axis = {"zeroline": False, "fixedrange": True, "rangemode": "tozero", "gridcolor": FAINT[page]}
    return {
        **chart_look.layout(page),
        "barmode": "stack",
        "bargap": 0.38,
        "height": _height(len(names)),
        "margin": {**_MARGIN, "l": _BESIDE_PX + _LETTER_PX * max(map(_width, names), default=0)},
        "xaxis": {
            **axis,
            "domain": [0, 0.66],
            "title": {"text": t("chart.seconds"), "standoff": 6, "font": {"size": 12}},
        },
        "xaxis2": {
            **axis,
            "domain": [0.71, 1],
            "range": [0, (fastest or 1.0) * _ROOM_FOR_NUMBERS],
            "title": {"text": t("figure.speed_unit"), "standoff": 6, "font": {"size": 12}},
        },
        "yaxis": {"autorange": "reversed", "fixedrange": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "uirevision": "kept",
        # On a phone the panes' letters do, and the two plots take the page's width by turns.
        "meta": {
            "narrow": {
                "margin": {**_MARGIN, "l": _BESIDE_PX + 2 * _LETTER_PX},
                "yaxis": {"tickmode": "array", "tickvals": list(names), "ticktext": [name[0] for name in names]},
                "xaxis": {"domain": [0, 0.56]},
                "xaxis2": {"domain": [0.64, 1], "nticks": 3},
            }
        },
    }


def _width(name: str) -> int:
    """Of a text, in letters of the Latin alphabet: one of Chinese, Japanese or Korean has two."""
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in name)


def _height(rows: int) -> int:
    return _FRAME_PX + rows * _ROW_PX


def _short(name: str) -> str:
    """Forms of one model differ at the end of their names."""
    if len(name) <= _MAX_NAME:
        return name
    return f"{name[: _MAX_NAME - 1 - TAIL_CHARS]}…{name[-TAIL_CHARS:]}"
