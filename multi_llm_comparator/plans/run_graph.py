"""A run's plan as an SVG graph: each step below those whose answers it needs, in the colour of its model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, pairwise

from multi_llm_comparator.charts.svg import MAX_ROWS, Arrow, Node, graph_chart
from multi_llm_comparator.plans.layout import layered
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun

TITLE = "What needs what"
LEFT_OUT = "without {n} more rows"


def graph_of(run: PlanRun, critical: Sequence[str], *, title: str = TITLE, left_out: str = LEFT_OUT) -> str:
    """The graph as SVG, with the chain of ``critical`` bold; empty for a run without steps.

    Args:
        run: finished or at work.
        critical: the steps of the critical path, in order.
        title: stands above it.
        left_out: says in the reader's language that ``{n}`` steps are not drawn.
    """
    if not run.steps:
        return ""
    steps = dict(islice(run.steps.items(), MAX_ROWS))
    if len(steps) < len(run.steps):
        title = f"{title} ({left_out.format(n=len(run.steps) - len(steps))})"
    places = layered(steps)
    nodes = {i: _node(run, steps[i], x, layer, i in critical) for i, (x, layer) in places.items()}
    chain = set(pairwise(critical))
    arrows = [
        Arrow(needed, i, (needed, i) in chain) for i, s in steps.items() for needed in s.step.rely if needed in nodes
    ]
    # Models have the colours that they have in the Gantt chart, where the planner comes first.
    asked = [run.options.router_model] if run.planning else []
    asked += [attempt.target for step in run.steps.values() for attempt in step.attempts]
    return graph_chart(title, nodes, arrows, asked)


def _node(run: PlanRun, step: StepRun, x: float, layer: int, is_marked: bool) -> Node:
    target = step.target or run.options.executor.target_of(step.step)
    style = "solid" if step.state == "done" else "failed" if step.state == "failed" else "hollow"
    return Node(step.step.id, x, layer, target, style, f"{step.step.id}: {step.step.task[:200]}", is_marked)
