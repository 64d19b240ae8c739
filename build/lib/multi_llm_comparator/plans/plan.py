"""A plan: steps with difficulty, token budget and dependencies, which together form a DAG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from xml.sax.saxutils import quoteattr

import networkx as nx

from multi_llm_comparator.plans.errors import CycleError, DuplicateStepError, EmptyPlanError, UnknownDependencyError

EASIEST, HARDEST = 1, 10


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``difficulty`` is 1 (easiest) to 10, ``token`` the budget of its answer in tokens, ``rely`` the ids of
    the steps whose answers it needs."""

    id: str
    task: str
    difficulty: int
    token: int
    rely: tuple[str, ...] = ()

    def to_xml(self) -> str:
        attributes = {
            "ID": self.id,
            "Task": self.task,
            "Difficulty": str(self.difficulty),
            "Token": str(self.token),
            "Rely": ",".join(self.rely),
        }
        return "<Step " + " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items()) + "/>"


@dataclass(frozen=True)
class Plan:
    """Steps in the order the planner wrote them; :meth:`validate` has passed for every plan that a parser returns."""

    steps: tuple[Step, ...]

    @cached_property
    def by_id(self) -> Mapping[str, Step]:
        return {step.id: step for step in self.steps}

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        """Edges run from a step to those that need its answer."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(step.id for step in self.steps)
        graph.add_edges_from((needed, step.id) for step in self.steps for needed in step.rely)
        return graph

    def validate(self) -> None:
        """Check that the steps form a DAG.

        Raises:
            EmptyPlanError, DuplicateStepError, UnknownDependencyError, CycleError: naming the steps.
        """
        if not self.steps:
            raise EmptyPlanError("the plan has no steps")
        seen: set[str] = set()
        for step in self.steps:
            if step.id in seen:
                raise DuplicateStepError(f"step {step.id!r} occurs twice")
            seen.add(step.id)
        for step in self.steps:
            for needed in step.rely:
                if needed not in seen:
                    raise UnknownDependencyError(
                        f"step {step.id!r} needs step {needed!r}, which the plan does not have"
                    )
        check_acyclic(self.steps)

    @cached_property
    def depth(self) -> int:
        """Steps on the longest chain of dependencies."""
        return len(nx.dag_longest_path(self.graph)) if self.steps else 0

    @property
    def compression_ratio(self) -> float:
        """Critical path depth over number of steps: the lower, the more can run in parallel."""
        return self.depth / len(self.steps) if self.steps else 1.0

    @property
    def mean_token(self) -> float:
        """Mean token budget of a step."""
        return sum(step.token for step in self.steps) / len(self.steps) if self.steps else 0.0

    @cached_property
    def sinks(self) -> tuple[str, ...]:
        """Steps that no other one needs: their answers are the plan's."""
        needed = {n for step in self.steps for n in step.rely}
        return tuple(step.id for step in self.steps if step.id not in needed)

    def dependents(self, step_id: str) -> frozenset[str]:
        """The steps that need a step, directly or through others."""
        return frozenset(nx.descendants(self.graph, step_id))

    def to_xml(self) -> str:
        """The plan as :func:`parse_plan` reads it back."""
        lines = [f"  {step.to_xml()}" for step in self.steps]
        return "\n".join(["<Plan>", *lines, "</Plan>"])


def check_acyclic(steps: Iterable[Step]) -> None:
    """Check steps that all know each other.

    Raises:
        CycleError: with one cycle, in order.
    """
    steps = tuple(steps)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_edges_from((needed, step.id) for step in steps for needed in step.rely)
    if nx.is_directed_acyclic_graph(graph):
        return
    cycle = [source for source, _ in nx.find_cycle(graph)]
    raise CycleError(f"the steps {' -> '.join([*cycle, cycle[0]])} wait for each other")
