"""The Gantt chart of a plan run, as a Plotly figure in plain data: lanes of coloured bars on one clock."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from multi_llm_comparator.charts.lanes import Row, Sign, Span
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.plans.timeline import StretchKind
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, MUTED, Figure
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.plans.scene import Scene
from multi_llm_comparator.ui.plans.targets import name_of

ROW_PX, CROWDED_ROW_PX, CROWDED_FROM = 27, 15, 40
# On the right there is room for the buttons.
TOP_PX, BOTTOM_PX, LEFT_PX, RIGHT_PX = 34, 30, 190, 34
PREDICTED = {"light": "#4653c9", "dark": "#8f9af5"}
# The time axis is longer than the run: answers stand behind their bars.
ROOM = 1.24
_LABEL_CHARS, _ANSWER_CHARS = 25, 28
_BAR = 0.62
# Waiting is hatched, reading is pale, writing is full.
_OPACITY: dict[str, float] = {"worker": 0.16, "model": 0.22, "load": 0.22, "prefill": 0.42, "decode": 1.0}
_PATTERN: dict[str, str] = {"worker": "/", "model": "\\", "load": ".", "prefill": "", "decode": ""}
WAITING: tuple[StretchKind, ...] = ("worker", "model", "load", "prefill")
# Signs of Markdown, which say nothing in a line of plain text.
_SIGNS = re.compile(r"\*\*|__|`+|\||^#+ ", re.M)


@dataclass
class _Bars:
    """The bars of one kind and one colour, which Plotly wants as one trace."""

    x: list[float] = field(default_factory=list)
    base: list[float] = field(default_factory=list)
    y: list[int] = field(default_factory=list)
    customdata: list[list[str]] = field(default_factory=list)


def gantt(scene: Scene) -> Figure:
    """The figure."""
    traces = [*_bars(scene), *_signs(scene), *_answers(scene), *_legend(scene)]
    return {"data": traces, "layout": _layout(scene)}


def _bars(scene: Scene) -> list[Figure]:
    groups: dict[tuple[str, str], _Bars] = defaultdict(_Bars)
    for number, row, span in scene.lanes.spans():
        bars = groups[span.kind, span.answered_by]
        bars.base.append(span.start_s)
        bars.x.append(max(span.end_s - span.start_s, 0.0))
        bars.y.append(number)
        bars.customdata.append([row.id, _hover(row, span, scene)])
    return [_trace(kind, who, bars, scene.page) for (kind, who), bars in groups.items()]


def _trace(kind: str, who: str, bars: _Bars, page: str) -> Figure:
    colour = MUTED[page] if kind == "worker" else tone_of(who).on(page)
    marker: Figure = {"color": _with_opacity(colour, _OPACITY[kind]), "line": {"width": 0}}
    if _PATTERN[kind]:
        marker["pattern"] = {"shape": _PATTERN[kind], "size": 5, "solidity": 0.25, "fgcolor": colour}
    return {
        "type": "bar",
        "orientation": "h",
        "x": bars.x,
        "base": bars.base,
        "y": bars.y,
        "customdata": bars.customdata,
        "width": _BAR,
        "marker": marker,
        "showlegend": False,
        "hovertemplate": "%{customdata[1]}<extra></extra>",
    }


def _hover(row: Row, span: Span, scene: Scene) -> str:
    spent = f"{t(f'plan.stretch_{span.kind}')}: {say.seconds(span.end_s - span.start_s)}"
    lines = [f"<b>{escape(_title(row))}</b>", escape(f"{name_of(span.answered_by)} · {spent}")]
    if span.tokens:
        lines.append(escape(t("plan.hover_tokens", tokens=say.count(span.tokens))))
    if row.id:
        step = scene.run.steps[row.id].step
        lines.append(escape(t("plan.hover_difficulty", difficulty=step.difficulty, tokens=step.token)))
        lines.append(escape(t("plan.hover_needs", steps=", ".join(step.rely) or say.NOTHING)))
        needed_by = ", ".join(i for i, other in scene.run.steps.items() if step.id in other.step.rely)
        lines.append(escape(t("plan.hover_needed_by", steps=needed_by or say.NOTHING)))
    if span.error:
        lines.append(escape(cut_line(span.error, 90)))
    return "<br>".join(lines)


def _signs(scene: Scene) -> list[Figure]:
    """Small signs at the end of a row: a cross where a step failed, a diamond where no model was needed."""
    symbols: dict[Sign, tuple[str, str]] = {
        "failed": ("x", STATE_TONES["failed"].on(scene.page)),
        "stopped": ("line-ew-open", MUTED[scene.page]),
        "no_model": ("diamond", INK[scene.page]),
    }
    traces = []
    for sign, (symbol, colour) in symbols.items():
        found = [(row.end_s, number) for number, row in enumerate(scene.lanes.rows) if row.sign == sign]
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": [x for x, _ in found],
                "y": [y for _, y in found],
                "marker": {"symbol": symbol, "size": 8, "color": colour, "line": {"width": 1.5}},
                "hoverinfo": "skip",
                "showlegend": False,
            }
        )
    return traces


def _answers(scene: Scene) -> list[Figure]:
    """What each step answered, behind its bar."""
    rows = scene.lanes.rows if len(scene.lanes.rows) <= CROWDED_FROM else ()
    answers = {row.id: scene.run.steps[row.id].answer for row in rows if row.id}
    shown = [(number, row, answer) for number, row in enumerate(rows) if (answer := answers.get(row.id)) is not None]
    return [
        {
            "type": "scatter",
            "mode": "text",
            "x": [row.end_s for _, row, _ in shown],
            "y": [number for number, _, _ in shown],
            "text": [f" {escape(cut_line(_plain(answer), _ANSWER_CHARS))}" for _, _, answer in shown],
            "customdata": [[row.id, ""] for _, row, _ in shown],
            "textposition": "middle right",
            "textfont": {"size": 11.5, "color": MUTED[scene.page]},
            "hoverinfo": "none",
            "cliponaxis": False,
            "showlegend": False,
        }
    ]


def _legend(scene: Scene) -> list[Figure]:
    """Each model's colour, then what the fillings mean."""
    executor = scene.run.options.executor
    targets = [scene.run.options.router_model, executor.small_model, executor.large_model]
    # Steps that an earlier run has solved may have had other models.
    spans = [span for _, _, span in scene.lanes.spans()]
    targets += [span.target for span in spans]
    # Of a group, the bars have the colours of its models.
    targets += [span.answered_by for span in spans]
    entries: list[Figure] = [
        {"name": cut_line(name_of(target), 24), "marker": {"color": tone_of(target).on(scene.page)}}
        for target in dict.fromkeys(filter(None, targets))
    ]
    muted = MUTED[scene.page]
    occurring = {span.kind for span in spans}
    for kind in (kind for kind in WAITING if kind in occurring):
        marker: Figure = {"color": _with_opacity(muted, _OPACITY[kind])}
        if _PATTERN[kind]:
            marker["pattern"] = {"shape": _PATTERN[kind], "size": 5, "solidity": 0.25, "fgcolor": muted}
        entries.append({"name": t(f"plan.stretch_{kind}"), "marker": marker})
    bars = [{"type": "bar", "x": [None], "y": [None], "hoverinfo": "skip", **entry} for entry in entries]
    lines = [("plan.legend_critical", {"color": INK[scene.page], "width": 2})]
    if scene.prediction:
        lines.append(("plan.legend_predicted", {"color": PREDICTED[scene.page], "width": 1.5, "dash": "dot"}))
    drawn = [{"type": "scatter", "mode": "lines", "x": [None], "y": [None], "name": t(k), "line": v} for k, v in lines]
    return [*bars, *drawn]


def _layout(scene: Scene) -> Figure:
    rows = max(1, len(scene.lanes.rows))
    row_px = ROW_PX if rows <= CROWDED_FROM else CROWDED_ROW_PX
    span = scene.span_s or scene.end_s
    look = chart_look.layout(scene.page)
    return {
        **look,
        "dragmode": "zoom",
        "modebar": {**look["modebar"], "orientation": "v"},
        "barmode": "overlay",
        "height": TOP_PX + BOTTOM_PX + rows * row_px,
        "margin": {"l": LEFT_PX, "r": RIGHT_PX, "t": TOP_PX, "b": BOTTOM_PX},
        "xaxis": {
            "zeroline": False,
            "range": [0, span * ROOM],
            "ticksuffix": " s",
            "gridcolor": FAINT[scene.page],
            "nticks": 8,
        },
        "yaxis": {
            "zeroline": False,
            "fixedrange": True,
            "range": [rows - 0.5, -0.5],
            "tickvals": list(range(len(scene.lanes.rows))),
            "ticktext": [_label(row) for row in scene.lanes.rows],
            "showgrid": False,
            "ticklabelstandoff": 4,
        },
        "legend": {
            "orientation": "h",
            "x": -0.005,
            "y": 1,
            "yanchor": "bottom",
            "itemclick": False,
            "font": {"size": 11.5},
        },
        "shapes": [*_selection(scene), *_outlines(scene), *_path(scene)],
        "annotations": _pauses(scene),
    }


def _selection(scene: Scene) -> list[Figure]:
    return [
        {
            "type": "rect",
            "layer": "below",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": number - 0.5,
            "y1": number + 0.5,
            "fillcolor": FAINT[scene.page],
            "line": {"width": 0},
        }
        for number, row in enumerate(scene.lanes.rows)
        if row.id and row.id == scene.selected
    ]


def _outlines(scene: Scene) -> list[Figure]:
    """What was predicted, over what was."""
    line = {"color": PREDICTED[scene.page], "width": 1.5, "dash": "dot"}
    return [
        {"type": "rect", "x0": x[0], "x1": x[1], "y0": number - 0.44, "y1": number + 0.44, "line": line}
        for number, row in enumerate(scene.lanes.rows)
        if (x := row.outline) is not None
    ]


def _path(scene: Scene) -> list[Figure]:
    """The critical path: frames around its steps, joined by lines."""
    line = {"color": INK[scene.page], "width": 2}
    boxes = {row.id: (number, *row.frame) for number, row in enumerate(scene.lanes.rows) if row.frame}
    shapes: list[Figure] = [
        {"type": "rect", "x0": start, "x1": end, "y0": row - _BAR / 2, "y1": row + _BAR / 2, "line": line}
        for row, start, end in boxes.values()
    ]
    chain = [boxes[step_id] for step_id in scene.lanes.chain if step_id in boxes]
    for (row, _, end), (next_row, start, _) in pairwise(chain):
        corner = {"x0": end, "x1": end, "y0": row + _BAR / 2, "y1": next_row if start > end else next_row - _BAR / 2}
        shapes.append({"type": "line", **corner, "line": {**line, "width": 1.5}})
        if start > end:
            across = {"x0": end, "x1": start, "y0": next_row, "y1": next_row}
            shapes.append({"type": "line", **across, "line": {**line, "width": 1.5}})
    return shapes


def _pauses(scene: Scene) -> list[Figure]:
    """Where a run was stopped and resumed."""
    return [
        {
            "x": at,
            "y": 1,
            "yref": "paper",
            "yanchor": "top",
            "text": escape(t("plan.pause", length=say.seconds(length))),
            "textangle": -90,
            "showarrow": False,
            "font": {"size": 10.5, "color": MUTED[scene.page]},
        }
        for at, length in scene.lanes.pauses
    ]


def _label(row: Row) -> str:
    text = escape(cut_line(_title(row), _LABEL_CHARS))
    return f"<b>◆ {text}</b>" if row.is_marked else text


def _title(row: Row) -> str:
    return f"{row.id} · {row.label}" if row.id else row.label


def _plain(text: str) -> str:
    return " ".join(_SIGNS.sub("", text[:400]).split())


def _with_opacity(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
