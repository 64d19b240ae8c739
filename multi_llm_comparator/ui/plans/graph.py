"""The plan as a graph, as a Plotly figure in plain data: each step below those it needs."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from itertools import islice, pairwise
from typing import Any

from multi_llm_comparator.plans.layout import Places, layered
from multi_llm_comparator.plans.step_run import StepRun, StepState
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, MUTED, Figure
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.plans.gantt import Scene

MAX_NODES, MAX_ARROWS = 200, 200
_PAPER = {"light": "#ffffff", "dark": "#121419"}
LAYER_PX, FRAME_PX, SMALLEST_PX = 58, 40, 150
_PENDING: frozenset[StepState] = frozenset({"waiting", "ready", "skipped"})


def graph(scene: Scene, height: int) -> Figure:
    """The figure, ``height`` pixels high if its layers fit into that."""
    steps = dict(islice(scene.run.steps.items(), MAX_NODES))
    places = layered(steps)
    layers = 1 + max((depth for _, depth in places.values()), default=0)
    widest = max((abs(x) for x, _ in places.values()), default=0.0)
    size = 30 if len(steps) <= 24 else 18
    return {
        "data": [_halo(scene, places, size), _nodes(scene, places, size)],
        "layout": {
            **chart_look.layout(scene.page),
            "height": max(height, SMALLEST_PX, FRAME_PX + min(layers, 24) * (LAYER_PX if height < 300 else 40)),
            "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
            "showlegend": False,
            "xaxis": {"visible": False, "fixedrange": True, "range": [-widest - 0.8, widest + 0.8]},
            "yaxis": {"visible": False, "fixedrange": True, "range": [layers - 0.4, -0.6]},
            "annotations": _arrows(scene, places, size),
        },
    }


def left_out_of_graph(scene: Scene) -> tuple[int, int]:
    """How many steps, and how many arrows, there is no room for."""
    steps = scene.run.steps
    every = sum(needed in steps for s in steps.values() for needed in s.step.rely)
    drawn = len(_edges(scene, islice(steps, MAX_NODES)))
    return max(0, len(steps) - MAX_NODES), every - min(drawn, MAX_ARROWS)


def _edges(scene: Scene, shown: Iterable[str]) -> list[tuple[str, str]]:
    ids = set(shown)
    return [(n, i) for i, s in scene.run.steps.items() for n in s.step.rely if i in ids and n in ids]


def _nodes(scene: Scene, places: Places, size: int) -> Figure:
    steps = [scene.run.steps[i] for i in places]
    styles = [_style(step, scene) for step in steps]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [x for x, _ in places.values()],
        "y": [y for _, y in places.values()],
        "text": [f"<b>{escape(i)}</b>" if len(i) <= 4 else escape(i[:4]) for i in places],
        "textfont": {"size": 12 if size > 20 else 9, "color": [s["ink"] for s in styles]},
        "customdata": [[i, _hover(step)] for i, step in zip(places, steps, strict=True)],
        "hovertemplate": "%{customdata[1]}<extra></extra>",
        "marker": {
            "size": size,
            "color": [s["fill"] for s in styles],
            "line": {"color": [s["edge"] for s in styles], "width": [s["width"] for s in styles]},
            "opacity": 1,
        },
    }


def _style(step: StepRun, scene: Scene) -> dict[str, Any]:
    page = scene.page
    who = step.attempts[-1].progress.answered_by if step.attempts else None
    tone = tone_of(who or step.target or scene.run.options.executor.target_of(step.step)).on(page)
    if step.state == "failed":
        return {"fill": _PAPER[page], "edge": STATE_TONES["failed"].on(page), "width": 3, "ink": INK[page]}
    if step.state in _PENDING:
        return {"fill": _PAPER[page], "edge": MUTED[page], "width": 1.2, "ink": MUTED[page]}
    if step.state == "done":
        return {"fill": tone, "edge": tone, "width": 1, "ink": _PAPER[page]}
    return {"fill": _PAPER[page], "edge": tone, "width": 4, "ink": INK[page]}


def _hover(step: StepRun) -> str:
    answer = step.answer if step.answer is not None else step.error or ""
    words = [f"<b>{escape(step.step.id)}</b> {escape(step.step.task[:90])}", escape(t(f"plan.step_{step.state}"))]
    return "<br>".join([*words, escape(" ".join(answer.split())[:90])] if answer else words)


def _halo(scene: Scene, places: Places, size: int) -> Figure:
    """A ring around the step that is looked at."""
    chosen = [places[scene.selected]] if scene.selected in places else []
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [x for x, _ in chosen],
        "y": [y for _, y in chosen],
        "marker": {"size": size + 14, "color": FAINT[scene.page]},
        "hoverinfo": "skip",
    }


def _arrows(scene: Scene, places: Places, size: int) -> list[Figure]:
    edges = _edges(scene, places)
    critical = set(pairwise(scene.critical))
    return [
        {
            "ax": places[start][0],
            "ay": places[start][1],
            "axref": "x",
            "ayref": "y",
            "x": places[end][0],
            "y": places[end][1],
            "showarrow": True,
            "arrowhead": 2,
            "arrowsize": 0.9,
            "arrowwidth": 2.2 if (start, end) in critical else 1.1,
            "arrowcolor": INK[scene.page] if (start, end) in critical else MUTED[scene.page],
            "standoff": size / 2 + 3,
            "startstandoff": size / 2 + 1,
            "text": "",
        }
        for start, end in edges[:MAX_ARROWS]
    ]
