"""Where the steps of a plan stand when it is drawn as a graph."""

from __future__ import annotations

from collections.abc import Mapping

from multi_llm_comparator.plans.step_run import StepRun

# Between an arrow and a step it passes, in steps' widths.
CLEARANCE = 0.25
Places = dict[str, tuple[float, int]]


def layered(steps: Mapping[str, StepRun]) -> Places:
    """Where each step stands: its depth, and across its layer near those it needs. Unknown dependencies count not."""
    depths: dict[str, int] = {}
    waiting = dict(steps)
    while waiting:
        ready = [i for i, s in waiting.items() if all(n in depths or n not in steps for n in s.step.rely)]
        for step_id in ready or list(waiting):
            depths[step_id] = 1 + max((depths.get(n, -1) for n in steps[step_id].step.rely), default=-1)
        waiting = {i: s for i, s in waiting.items() if i not in depths}
    places: Places = {}
    for depth in range(1 + max(depths.values(), default=-1)):
        layer = [i for i in steps if depths[i] == depth]
        order = sorted(layer, key=lambda i: _middle(steps[i], places))
        places |= {i: (number - (len(order) - 1) / 2, depth) for number, i in enumerate(order)}
    return _aside(steps, places)


def _aside(steps: Mapping[str, StepRun], places: Places) -> Places:
    """Move steps out of the way of arrows that pass their layer."""
    moved = dict(places)
    for step_id, step in steps.items():
        for needed in (n for n in step.step.rely if n in places):
            (x0, top), (x1, bottom) = places[needed], places[step_id]
            for other, (x, depth) in places.items():
                if top < depth < bottom and abs(x - (x0 + (x1 - x0) * (depth - top) / (bottom - top))) < CLEARANCE:
                    moved[other] = (x + 2 * CLEARANCE, depth)
    return moved


def _middle(step: StepRun, places: Places) -> float:
    above = [places[n][0] for n in step.step.rely if n in places]
    return sum(above) / len(above) if above else 0.0
