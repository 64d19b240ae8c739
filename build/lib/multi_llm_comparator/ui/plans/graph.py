"""The plan as a graph, as a Plotly figure in plain data: each step below those it needs."""

from __future__ import annotations

from html import escape
from typing import Any

from multi_llm_comparator.charts.graph import Graph, Node
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.ui.kit import chart_look
from multi_llm_comparator.ui.kit.chart_look import FAINT, INK, MUTED, Figure
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.plans.scene import Scene

MAX_ARROWS = 200
_PAPER = {"light": "#ffffff", "dark": "#121419"}
LAYER_PX, FRAME_PX, SMALLEST_PX = 58, 40, 150


def graph(scene: Scene, height: int) -> Figure:
    """The figure, ``height`` pixels high if its layers fit into that."""
    drawn = scene.graph
    size = 30 if len(drawn.nodes) <= 24 else 18
    return {
        "data": [_halo(scene, drawn, size), _nodes(scene, drawn, size)],
        "layout": {
            **chart_look.layout(scene.page),
            "height": max(height, SMALLEST_PX, FRAME_PX + min(drawn.layers, 24) * (LAYER_PX if height < 300 else 40)),
            "margin": {"l": 4, "r": 4, "t": 4, "b": 4},
            "showlegend": False,
            "xaxis": {"visible": False, "fixedrange": True, "range": [-drawn.reach - 0.8, drawn.reach + 0.8]},
            "yaxis": {"visible": False, "fixedrange": True, "range": [drawn.layers - 0.4, -0.6]},
            "annotations": _arrows(scene, drawn, size),
        },
    }


def left_out_of_graph(scene: Scene) -> tuple[int, int]:
    """How many steps, and how many arrows, there is no room for."""
    drawn, steps = scene.graph, scene.run.steps
    every = sum(needed in steps for s in steps.values() for needed in s.step.rely)
    return drawn.left_out, every - min(len(drawn.arrows), MAX_ARROWS)


def _nodes(scene: Scene, drawn: Graph, size: int) -> Figure:
    nodes = drawn.nodes.values()
    steps = [scene.run.steps[name] for name in drawn.nodes]
    styles = [_style(node, step, scene.page) for node, step in zip(nodes, steps, strict=True)]
    return {
        "type": "scatter",
        "mode": "markers+text",
        "x": [node.x for node in nodes],
        "y": [node.layer for node in nodes],
        "text": [f"<b>{escape(n.label)}</b>" if len(n.label) <= 4 else escape(n.label[:4]) for n in nodes],
        "textfont": {"size": 12 if size > 20 else 9, "color": [s["ink"] for s in styles]},
        "customdata": [[name, _hover(step)] for name, step in zip(drawn.nodes, steps, strict=True)],
        "hovertemplate": "%{customdata[1]}<extra></extra>",
        "marker": {
            "size": size,
            "color": [s["fill"] for s in styles],
            "line": {"color": [s["edge"] for s in styles], "width": [s["width"] for s in styles]},
            "opacity": 1,
        },
    }


def _style(node: Node, step: StepRun, page: str) -> dict[str, Any]:
    who = step.attempts[-1].progress.answered_by if step.attempts else None
    tone = tone_of(who or node.group).on(page)
    if node.state == "failed":
        return {"fill": _PAPER[page], "edge": STATE_TONES["failed"].on(page), "width": 3, "ink": INK[page]}
    if node.state == "pending":
        return {"fill": _PAPER[page], "edge": MUTED[page], "width": 1.2, "ink": MUTED[page]}
    if node.state == "done":
        return {"fill": tone, "edge": tone, "width": 1, "ink": _PAPER[page]}
    return {"fill": _PAPER[page], "edge": tone, "width": 4, "ink": INK[page]}


def _hover(step: StepRun) -> str:
    answer = step.answer if step.answer is not None else step.error or ""
    words = [f"<b>{escape(step.step.id)}</b> {escape(step.step.task[:90])}", escape(t(f"plan.step_{step.state}"))]
    return "<br>".join([*words, escape(" ".join(answer.split())[:90])] if answer else words)


def _halo(scene: Scene, drawn: Graph, size: int) -> Figure:
    """A ring around the step that is looked at."""
    chosen = [node for name, node in drawn.nodes.items() if name == scene.selected]
    return {
        "type": "scatter",
        "mode": "markers",
        "x": [node.x for node in chosen],
        "y": [node.layer for node in chosen],
        "marker": {"size": size + 14, "color": FAINT[scene.page]},
        "hoverinfo": "skip",
    }


def _arrows(scene: Scene, drawn: Graph, size: int) -> list[Figure]:
    return [
        {
            "ax": drawn.nodes[arrow.start].x,
            "ay": drawn.nodes[arrow.start].layer,
            "axref": "x",
            "ayref": "y",
            "x": drawn.nodes[arrow.end].x,
            "y": drawn.nodes[arrow.end].layer,
            "showarrow": True,
            "arrowhead": 2,
            "arrowsize": 0.9,
            "arrowwidth": 2.2 if arrow.is_marked else 1.1,
            "arrowcolor": INK[scene.page] if arrow.is_marked else MUTED[scene.page],
            "standoff": size / 2 + 3,
            "startstandoff": size / 2 + 1,
            "text": "",
        }
        for arrow in drawn.arrows[:MAX_ARROWS]
    ]
