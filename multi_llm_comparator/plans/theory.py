"""What a plan should take: the schedule that a number of workers allows, from how fast its models are.

List scheduling with the executor's own rule (of the ready steps, the one with the longest chain behind it first), so
that prediction and execution differ only by what the models do. Graham (1969) bounds such schedules: at most
2 - 1/workers times the optimum.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.ready import ReadySet


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """How fast and how dear a model is: seconds to the first token, tokens per second after it, dollars per token."""

    ttft_s: float
    tokens_per_second: float
    usd_per_token: float = 0.0
    tokens_per_answer: float | None = None

    def tokens_of(self, step: Step) -> float:
        """Expected tokens: what answers of this model take as a rule, within the step's budget."""
        return step.token if self.tokens_per_answer is None else min(float(step.token), self.tokens_per_answer)

    def duration_s(self, step: Step) -> float:
        """Expected seconds for one step: the first token, then the others."""
        return self.ttft_s + max(0.0, self.tokens_of(step) - 1) / self.tokens_per_second


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """When a step should run, in seconds from the start of the schedule, and with which model."""

    step: Step
    target: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Schedule:
    """A predicted run of a plan."""

    steps: tuple[ScheduledStep, ...]
    critical_path: tuple[str, ...]
    critical_path_s: float
    usd: float

    @property
    def makespan_s(self) -> float:
        return max((s.end_s for s in self.steps), default=0.0)

    @property
    def work_s(self) -> float:
        """Sum of all step times: what one worker would take."""
        return sum(s.end_s - s.start_s for s in self.steps)

    @property
    def speed_up(self) -> float:
        """How many times faster than one worker, from the first start on."""
        together = self.makespan_s - min((s.start_s for s in self.steps), default=0.0)
        return self.work_s / together if together else 1.0


def schedule_plan(
    plan: Plan,
    profiles: Mapping[str, ModelProfile],
    target_of: Callable[[Step], str],
    workers: int,
    *,
    arrivals_s: Mapping[str, float] | None = None,
) -> Schedule:
    """Predict a run.

    Args:
        plan: a valid plan.
        profiles: speed and price of each target.
        target_of: which target solves a step.
        workers: steps in flight at most.
        arrivals_s: when the planner has written each step; absent steps are there from the start.
    """
    durations = {s.id: profiles[target_of(s)].duration_s(s) for s in plan.steps}
    arrivals = arrivals_s or {}
    simulation = _Simulation(plan, durations, workers, arrivals)
    starts = simulation.run()
    path, length = critical_path(plan, durations, arrivals)
    scheduled = tuple(ScheduledStep(s, target_of(s), starts[s.id], starts[s.id] + durations[s.id]) for s in plan.steps)
    usd = sum(profiles[target_of(s)].usd_per_token * profiles[target_of(s)].tokens_of(s) for s in plan.steps)
    return Schedule(scheduled, path, length, usd)


def critical_path(
    plan: Plan, durations: Mapping[str, float], arrivals_s: Mapping[str, float] | None = None
) -> tuple[tuple[str, ...], float]:
    """The chain of steps that no number of workers can shorten, and its length in seconds.

    A step cannot start before the planner has written it, so the chain may begin with waiting for one.
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
        ends[step.id] = start + durations[step.id]
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


class _Simulation:
    """Discrete events: a step arrives, a step ends."""

    def __init__(
        self, plan: Plan, durations: Mapping[str, float], workers: int, arrivals_s: Mapping[str, float]
    ) -> None:
        self._durations = durations
        self._free = workers
        self._ready = ReadySet()
        self._starts: dict[str, float] = {}
        # Ends before arrivals at the same moment, and both in a fixed order: the prediction is reproducible.
        self._events: list[tuple[float, int, int, Step]] = [
            (arrivals_s.get(step.id, 0.0), 1, number, step) for number, step in enumerate(plan.steps)
        ]
        heapq.heapify(self._events)

    def run(self) -> dict[str, float]:
        """Start of each step in seconds."""
        while self._events:
            at = self._events[0][0]
            while self._events and self._events[0][0] == at:
                _, kind, _, step = heapq.heappop(self._events)
                if kind == 1:
                    self._ready.add(step)
                else:
                    self._free += 1
                    self._ready.done(step.id)
            self._start(at)
        return self._starts

    def _start(self, at: float) -> None:
        while self._free and (step := self._ready.pop()):
            self._free -= 1
            self._starts[step.id] = at
            heapq.heappush(self._events, (at + self._durations[step.id], 0, len(self._starts), step))
