"""Graphs as data: nodes in layers, each below those it needs, and arrows between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

# Between an arrow and a node it passes, in nodes' widths.
CLEARANCE = 0.25
MAX_NODES = 200
# Where a node stands: across its layer, in nodes' widths from the middle, and which layer that is, from 0 downwards.
Places = dict[str, tuple[float, int]]
NodeState = Literal["done", "failed", "running", "pending"]


@dataclass(frozen=True, slots=True)
class Node:
    """A circle. ``group`` decides its colour, ``state`` how it is filled."""

    label: str
    x: float
    layer: int
    group: str = ""
    state: NodeState = "done"
    note: str = ""
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Arrow:
    start: str
    end: str
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes by the names that arrows use. ``left_out`` nodes found no room, nor did their arrows."""

    nodes: Mapping[str, Node]
    arrows: tuple[Arrow, ...]
    left_out: int = 0

    @property
    def layers(self) -> int:
        return 1 + max((node.layer for node in self.nodes.values()), default=0)

    @property
    def reach(self) -> float:
        """How far the outermost node is from the middle, in nodes' widths."""
        return max((abs(node.x) for node in self.nodes.values()), default=0.0)


def layered(needs: Mapping[str, Sequence[str]]) -> Places:
    """Where each node stands: its depth, and across its layer near those it needs.

    Args:
        needs: the nodes, in their order, with the names of those each needs; names of none do not count.
    """
    depths: dict[str, int] = {}
    waiting = dict(needs)
    while waiting:
        ready = [name for name, needed in waiting.items() if all(n in depths or n not in needs for n in needed)]
        # A cycle has no first node: all that is left of it stands side by side.
        for name in ready or list(waiting):
            depths[name] = 1 + max((depths.get(n, -1) for n in needs[name]), default=-1)
        waiting = {name: needed for name, needed in waiting.items() if name not in depths}
    places: Places = {}
    for depth in range(1 + max(depths.values(), default=-1)):
        layer = [name for name in needs if depths[name] == depth]
        order = sorted(layer, key=lambda name: _middle(needs[name], places))
        places |= {name: (number - (len(order) - 1) / 2, depth) for number, name in enumerate(order)}
    return _aside(needs, places)


def _aside(needs: Mapping[str, Sequence[str]], places: Places) -> Places:
    """Move nodes out of the way of arrows that pass their layer."""
    moved = dict(places)
    for name, needed_ones in needs.items():
        for needed in (n for n in needed_ones if n in places):
            (x0, top), (x1, bottom) = places[needed], places[name]
            for other, (x, depth) in places.items():
                if top < depth < bottom and abs(x - (x0 + (x1 - x0) * (depth - top) / (bottom - top))) < CLEARANCE:
                    moved[other] = (x + 2 * CLEARANCE, depth)
    return moved


def _middle(needed: Sequence[str], places: Places) -> float:
    above = [places[n][0] for n in needed if n in places]
    return sum(above) / len(above) if above else 0.0
