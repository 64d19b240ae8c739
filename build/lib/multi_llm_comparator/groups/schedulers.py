"""Whose turn it is in a pool. Another way of taking turns is one class and :func:`register_scheduler`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Instance:
    """One model of a pool and how it is used.

    ``turns`` counts its requests in shares of its weight, beginning where the pool is: who is new, or was away, takes
    its part from now on and makes up for nothing.
    """

    model: str
    weight: int = 1
    active: int = 0
    used: int = 0
    failed: int = 0
    turns: float = 0.0


class Scheduler(Protocol):
    """Decides who is next."""

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        """All of ``instances``, the one whose turn it is first, then who may stand in for it. Counts as a turn."""
        ...


class RoundRobin:
    """Whoever had its turn longest ago. Stays fair when instances leave and come back."""

    def __init__(self) -> None:
        self._turns: dict[str, int] = {}
        self._count = 0

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        ordered = sorted(instances, key=lambda i: self._turns.get(i.model, 0))
        self._count += 1
        self._turns[ordered[0].model] = self._count
        return ordered


class LeastUsed:
    """Whoever has the fewest requests running for its weight, then the fewest turns so far."""

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        return sorted(instances, key=lambda i: (i.active / i.weight, i.turns))


class Weighted:
    """Turns in proportion to the weights, evenly mixed (smooth weighted round robin, as nginx does it)."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def order(self, instances: Sequence[Instance]) -> list[Instance]:
        for instance in instances:
            self._credit[instance.model] = self._credit.get(instance.model, 0) + instance.weight
        ordered = sorted(instances, key=lambda i: -self._credit[i.model])
        self._credit[ordered[0].model] -= sum(i.weight for i in instances)
        return ordered


_SCHEDULERS: dict[str, Callable[[], Scheduler]] = {
    "round_robin": RoundRobin,
    "least_used": LeastUsed,
    "weighted": Weighted,
}


def register_scheduler(name: str, make: Callable[[], Scheduler]) -> None:
    """Let configurations that are read from now on say ``rotation_strategy: name``; each group gets its own."""
    _SCHEDULERS[name] = make


def scheduler_names() -> list[str]:
    return list(_SCHEDULERS)


def make_scheduler(name: str) -> Scheduler:
    return _SCHEDULERS[name]()
