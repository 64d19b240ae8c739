"""The chain of steps that no number of workers can shorten."""

from __future__ import annotations

from collections.abc import Mapping

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.ready_set import ReadySet


def critical_path(
    plan: Plan, durations_s: Mapping[str, float], arrivals_s: Mapping[str, float] | None = None
) -> tuple[tuple[str, ...], float]:
    """The chain and its length in seconds.

    A step cannot start before the planner has written it, so the chain may begin with waiting for one.

    Args:
        plan: a valid plan.
        durations_s: of all its steps, by id.
        arrivals_s: when the planner has written each step; absent ones are there from the start.
    """
    arrivals = arrivals_s or {}
    ends: dict[str, float] = {}
    before: dict[str, str | None] = {}
    for step in _in_order(plan):
        latest = max(step.rely, key=lambda n: ends[n], default=None)
        start = arrivals.get(step.id, 0.0)
        if latest is not None and ends[latest] >= start:
            start, before[step.id] = ends[latest], latest
        else:
            before[step.id] = None
        ends[step.id] = start + durations_s[step.id]
    at: str | None = max(ends, key=lambda n: ends[n], default=None)
    path: list[str] = []
    while at is not None:
        path.append(at)
        at = before[at]
    return tuple(reversed(path)), max(ends.values(), default=0.0)


def _in_order(plan: Plan) -> list[Step]:
    """The steps, each after those it needs."""
    ready = ReadySet()
    for step in plan.steps:
        ready.add(step)
    ordered: list[Step] = []
    while step_now := ready.pop():
        ordered.append(step_now)
        ready.done(step_now.id)
    return ordered
