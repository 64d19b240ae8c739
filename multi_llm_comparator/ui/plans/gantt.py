"""The Gantt chart of a plan run, as a Plotly figure in plain data: lanes of coloured bars on one clock."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from html import escape
from itertools import pairwise

from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.prediction import Prediction
from multi_llm_comparator.plans.run_gantt import fitting, is_critical
from multi_llm_comparator.plans.timeline import Clock, Lane, Stretch, StretchKind, lanes_of, stalls_of
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, MUTED, Figure
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.plans.targets import name_of

MAX_LANES = 200
ROW_PX, CROWDED_ROW_PX, CROWDED_FROM = 27, 15, 40
# On the right there is room for the buttons.
TOP_PX, BOTTOM_PX, LEFT_PX, RIGHT_PX = 34, 30, 190, 34
PREDICTED = {"light": "#4653c9", "dark": "#8f9af5"}
# The time axis is longer than the run: answers stand behind their bars.
ROOM = 1.24
_LABEL_CHARS, _ANSWER_CHARS = 25, 28
_BAR = 0.62
# Waiting is hatched, reading is pale, writing is full.
_OPACITY: dict[StretchKind, float] = {"worker": 0.16, "model": 0.22, "load": 0.22, "prefill": 0.42, "decode": 1.0}
_PATTERN: dict[StretchKind, str] = {"worker": "/", "model": "\\", "load": ".", "prefill": "", "decode": ""}
WAITING: tuple[StretchKind, ...] = ("worker", "model", "load", "prefill")
# Signs of Markdown, which say nothing in a line of plain text.
_SIGNS = re.compile(r"\*\*|__|`+|\||^#+ ", re.M)


@dataclass(frozen=True)
class Scene:
    """What the charts of a run are drawn from. ``at`` is now, for what goes on; None when nothing does.

    ``span_s`` makes the time axis longer than the run, so that two runs can be compared; ``page`` is "light" or "dark".
    """

    run: PlanRun
    page: str
    at: float | None = None
    prediction: Prediction | None = None
    critical: tuple[str, ...] = ()
    selected: str | None = None
    span_s: float | None = None


@dataclass
class _Bars:
    """The bars of one kind and one colour, which Plotly wants as one trace."""

    x: list[float] = field(default_factory=list)
    base: list[float] = field(default_factory=list)
    y: list[int] = field(default_factory=list)
    customdata: list[list[str]] = field(default_factory=list)


def gantt(scene: Scene) -> Figure:
    """The figure."""
    lanes = fitting(lanes_of(scene.run, scene.at), MAX_LANES)
    clock = clock_of(scene)
    traces = [*_bars(lanes, clock, scene), *_marks(lanes, clock, scene), *_answers(lanes, clock, scene)]
    traces += _legend(scene, lanes)
    return {"data": traces, "layout": _layout(scene, lanes, clock)}


def lanes_left_out(scene: Scene) -> int:
    """How many rows there is no room for."""
    return max(0, len(lanes_of(scene.run, scene.at)) - MAX_LANES)


def clock_of(scene: Scene) -> Clock:
    return Clock(scene.run.created_at, scene.run.pauses, stalls_of(scene.run))


def span_of(scene: Scene) -> float:
    """Seconds from the start to the end of whatever is in the chart."""
    lanes = lanes_of(scene.run, scene.at)
    clock = clock_of(scene)
    ends = [clock.seconds(s.end) for lane in lanes for s in lane.stretches]
    if scene.prediction:
        ends.append(clock.worked(scene.prediction.total_s, is_end=True))
    return max(ends, default=0.0) or 1.0


def _bars(lanes: list[Lane], clock: Clock, scene: Scene) -> list[Figure]:
    groups: dict[tuple[StretchKind, str], _Bars] = defaultdict(_Bars)
    for row, lane in enumerate(lanes):
        for stretch in lane.stretches:
            bars = groups[stretch.kind, stretch.answered_by]
            start = clock.seconds(stretch.start)
            bars.base.append(start)
            bars.x.append(max(clock.seconds(stretch.end) - start, 0.0))
            bars.y.append(row)
            bars.customdata.append([_picked(lane), _hover(lane, stretch, scene)])
    return [_trace(kind, who, bars, scene.page) for (kind, who), bars in groups.items()]


def _trace(kind: StretchKind, who: str, bars: _Bars, page: str) -> Figure:
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


def _picked(lane: Lane) -> str:
    return lane.step.step.id if lane.step else ""


def _hover(lane: Lane, stretch: Stretch, scene: Scene) -> str:
    spent = f"{t(f'plan.stretch_{stretch.kind}')}: {say.seconds(stretch.end - stretch.start)}"
    lines = [f"<b>{escape(_title(lane))}</b>", escape(f"{name_of(stretch.answered_by)} · {spent}")]
    if stretch.tokens:
        lines.append(escape(t("plan.hover_tokens", tokens=say.count(stretch.tokens))))
    if lane.step is not None:
        step = lane.step.step
        lines.append(escape(t("plan.hover_difficulty", difficulty=step.difficulty, tokens=step.token)))
        lines.append(escape(t("plan.hover_needs", steps=", ".join(step.rely) or say.NOTHING)))
        needed_by = ", ".join(i for i, other in scene.run.steps.items() if step.id in other.step.rely)
        lines.append(escape(t("plan.hover_needed_by", steps=needed_by or say.NOTHING)))
    if stretch.error:
        lines.append(escape(_short(stretch.error, 90)))
    return "<br>".join(lines)


def _marks(lanes: list[Lane], clock: Clock, scene: Scene) -> list[Figure]:
    """Small signs at the end of a lane: a cross where a step failed, a diamond where no model was needed."""
    traces = []
    for states, symbol, colour in (
        (("failed",), "x", STATE_TONES["failed"].on(scene.page)),
        (("stopped", "skipped"), "line-ew-open", MUTED[scene.page]),
        (("done",), "diamond", INK[scene.page]),
    ):
        found = [
            (clock.seconds(lane.step.ended_at), row)
            for row, lane in enumerate(lanes)
            if lane.step and lane.step.ended_at and lane.step.state in states
            if lane.step.state != "done" or not lane.step.attempts
        ]
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


def _answers(lanes: list[Lane], clock: Clock, scene: Scene) -> list[Figure]:
    """What each step answered, behind its bar."""
    shown = [
        (row, lane, lane.step.answer)
        for row, lane in enumerate(lanes)
        if lane.step and lane.step.answer is not None and len(lanes) <= CROWDED_FROM
    ]
    return [
        {
            "type": "scatter",
            "mode": "text",
            "x": [_end(lane, clock) for _, lane, _ in shown],
            "y": [row for row, _, _ in shown],
            "text": [f" {escape(_short(_plain(answer), _ANSWER_CHARS))}" for _, _, answer in shown],
            "customdata": [[_picked(lane), ""] for _, lane, _ in shown],
            "textposition": "middle right",
            "textfont": {"size": 11.5, "color": MUTED[scene.page]},
            "hoverinfo": "none",
            "cliponaxis": False,
            "showlegend": False,
        }
    ]


def _end(lane: Lane, clock: Clock) -> float:
    ends = [clock.seconds(s.end) for s in lane.stretches]
    if lane.step and lane.step.ended_at:
        ends.append(clock.seconds(lane.step.ended_at))
    return max(ends, default=0.0)


def _legend(scene: Scene, lanes: list[Lane]) -> list[Figure]:
    """Each model's colour, then what the fillings mean."""
    executor = scene.run.options.executor
    targets = [scene.run.options.router_model, executor.small_model, executor.large_model]
    # Steps that an earlier run has solved may have had other models.
    targets += [lane.step.target for lane in lanes if lane.step and lane.step.target]
    # Of a group, the bars have the colours of its models.
    targets += [stretch.answered_by for lane in lanes for stretch in lane.stretches]
    entries: list[Figure] = [
        {"name": _short(name_of(target), 24), "marker": {"color": tone_of(target).on(scene.page)}}
        for target in dict.fromkeys(filter(None, targets))
    ]
    muted = MUTED[scene.page]
    occurring = {stretch.kind for lane in lanes for stretch in lane.stretches}
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


def _layout(scene: Scene, lanes: list[Lane], clock: Clock) -> Figure:
    rows = max(1, len(lanes))
    row_px = ROW_PX if rows <= CROWDED_FROM else CROWDED_ROW_PX
    span = scene.span_s or span_of(scene)
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
            "tickvals": list(range(len(lanes))),
            "ticktext": [_label(lane, scene) for lane in lanes],
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
        "shapes": [*_selection(lanes, scene), *_outlines(lanes, clock, scene), *_path(lanes, clock, scene)],
        "annotations": _pauses(clock, scene),
    }


def _selection(lanes: list[Lane], scene: Scene) -> list[Figure]:
    return [
        {
            "type": "rect",
            "layer": "below",
            "xref": "paper",
            "x0": 0,
            "x1": 1,
            "y0": row - 0.5,
            "y1": row + 0.5,
            "fillcolor": FAINT[scene.page],
            "line": {"width": 0},
        }
        for row, lane in enumerate(lanes)
        if lane.step and lane.step.step.id == scene.selected
    ]


def _outlines(lanes: list[Lane], clock: Clock, scene: Scene) -> list[Figure]:
    """What was predicted, over what was."""
    if scene.prediction is None:
        return []
    schedule, planner = scene.prediction.schedule, scene.prediction.planner
    predicted = {s.step.id: (s.start_s, s.end_s) for s in schedule.steps}
    found: list[Figure] = []
    for row, lane in enumerate(lanes):
        times = predicted.get(lane.step.step.id) if lane.step else None
        if lane.kind == "plan" and planner is not None and lane.number == 1:
            times = planner.start_s, planner.end_s
        if lane.kind == "answer":
            times = schedule.makespan_s, scene.prediction.total_s
        if times:
            x0, x1 = clock.worked(times[0]), clock.worked(times[1], is_end=True)
            line = {"color": PREDICTED[scene.page], "width": 1.5, "dash": "dot"}
            found.append({"type": "rect", "x0": x0, "x1": x1, "y0": row - 0.44, "y1": row + 0.44, "line": line})
    return found


def _path(lanes: list[Lane], clock: Clock, scene: Scene) -> list[Figure]:
    """The critical path: frames around its steps, joined by lines."""
    line = {"color": INK[scene.page], "width": 2}
    boxes = {
        lane.step.step.id: (row, clock.seconds(lane.step.started_at), clock.seconds(lane.step.ended_at))
        for row, lane in enumerate(lanes)
        if lane.step and lane.step.started_at and lane.step.ended_at and lane.step.step.id in scene.critical
    }
    shapes: list[Figure] = [
        {"type": "rect", "x0": start, "x1": end, "y0": row - _BAR / 2, "y1": row + _BAR / 2, "line": line}
        for row, start, end in boxes.values()
    ]
    chain = [boxes[step_id] for step_id in scene.critical if step_id in boxes]
    for (row, _, end), (next_row, start, _) in pairwise(chain):
        corner = {"x0": end, "x1": end, "y0": row + _BAR / 2, "y1": next_row if start > end else next_row - _BAR / 2}
        shapes.append({"type": "line", **corner, "line": {**line, "width": 1.5}})
        if start > end:
            across = {"x0": end, "x1": start, "y0": next_row, "y1": next_row}
            shapes.append({"type": "line", **across, "line": {**line, "width": 1.5}})
    return shapes


def _pauses(clock: Clock, scene: Scene) -> list[Figure]:
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
        for at, length in clock.cuts
    ]


def _label(lane: Lane, scene: Scene) -> str:
    text = escape(_short(_title(lane), _LABEL_CHARS))
    return f"<b>◆ {text}</b>" if is_critical(lane, scene.critical) else text


def _title(lane: Lane) -> str:
    if lane.step is not None:
        return f"{lane.step.step.id} · {' '.join(lane.step.step.task.split())}"
    if lane.kind == "answer":
        return t("plan.lane_answer")
    return t("plan.lane_plan") if lane.number == 1 else t("plan.lane_plan_again", n=lane.number)


def _plain(text: str) -> str:
    return " ".join(_SIGNS.sub("", text[:400]).split())


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _with_opacity(colour: str, opacity: float) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
