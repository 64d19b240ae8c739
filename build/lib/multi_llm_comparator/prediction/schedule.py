"""When the steps of a plan should run: list scheduling by the executor's own rule.

Of the ready steps the one with the longest chain behind it starts first (:mod:`plans.ready_set`): prediction and
execution differ only by what models do. Graham (1969) bounds such schedules: at most 2 - 1/workers times the optimum.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from multi_llm_comparator.plans.critical_path import critical_path
from multi_llm_comparator.plans.outlook import Schedule, ScheduledStep
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.ready_set import ReadySet

# Of what happens at the same moment, ends come first.
_END, _ARRIVAL = range(2)


def schedule_plan(
    plan: Plan, durations_s: Mapping[str, float], workers: int, arrivals_s: Mapping[str, float] | None = None
) -> Schedule:
    """Predict a run.

    Args:
        plan: a valid plan.
        durations_s: what each of its steps takes, by id.
        workers: steps in flight at most, at least one.
        arrivals_s: when the planner has written each step; absent ones are there from the start.
    """
    arrivals = arrivals_s or {}
    starts: dict[str, float] = {}
    ready, free = ReadySet(), workers
    events = [(arrivals.get(step.id, 0.0), _ARRIVAL, number, step.id) for number, step in enumerate(plan.steps)]
    heapq.heapify(events)
    while events:
        at, kind, _, step_id = heapq.heappop(events)
        if kind == _ARRIVAL:
            ready.add(plan.by_id[step_id])
        else:
            free += 1
            ready.done(step_id)
        if events and events[0][0] == at:
            continue
        while free and (step := ready.pop()):
            free -= 1
            starts[step.id] = at
            heapq.heappush(events, (at + durations_s[step.id], _END, len(starts), step.id))
    steps = tuple(ScheduledStep(s.id, starts[s.id], starts[s.id] + durations_s[s.id]) for s in plan.steps)
    return Schedule(steps, *critical_path(plan, durations_s, arrivals))
