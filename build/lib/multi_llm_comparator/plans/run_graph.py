"""A run's plan as a graph: each step below those whose answers it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice, pairwise

from multi_llm_comparator.charts.graph import MAX_NODES, Arrow, Graph, Node, NodeState, layered
from multi_llm_comparator.charts.svg import graph_chart
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun, StepState

TITLE = "What needs what"
LEFT_OUT = "without {n} more rows"
_STATES: Mapping[StepState, NodeState] = {
    "waiting": "pending",
    "ready": "pending",
    "skipped": "pending",
    "running": "running",
    # It has begun, and has no answer.
    "stopped": "running",
    "done": "done",
    "failed": "failed",
}


def run_graph(run: PlanRun, critical: Sequence[str] = ()) -> Graph:
    """The graph of a run, finished or at work; the chain of ``critical`` is marked."""
    steps = dict(islice(run.steps.items(), MAX_NODES))
    places = layered({step_id: step.step.rely for step_id, step in steps.items()})
    nodes = {i: _node(run, steps[i], x, layer, i in critical) for i, (x, layer) in places.items()}
    chain = set(pairwise(critical))
    arrows = [Arrow(n, i, (n, i) in chain) for i, step in steps.items() for n in step.step.rely if n in nodes]
    return Graph(nodes, tuple(arrows), len(run.steps) - len(steps))


def graph_of(run: PlanRun, critical: Sequence[str], *, title: str = TITLE, left_out: str = LEFT_OUT) -> str:
    """The graph as SVG; empty for a run without steps.

    Args:
        run: finished or at work.
        critical: the steps of the critical path, in order.
        title: stands above it.
        left_out: says in the reader's language that ``{n}`` steps are not drawn.
    """
    if not run.steps:
        return ""
    # Models have the colours that they have in the Gantt chart, where the planner comes first.
    asked = [run.options.router_model] if run.planning else []
    asked += [attempt.target for step in run.steps.values() for attempt in step.attempts]
    return graph_chart(title, run_graph(run, critical), groups=asked, left_out=left_out)


def _node(run: PlanRun, step: StepRun, x: float, layer: int, is_marked: bool) -> Node:
    target = step.target or run.options.executor.target_of(step.step)
    note = f"{step.step.id}: {step.step.task[:200]}"
    return Node(step.step.id, x, layer, target, _STATES[step.state], note, is_marked)
