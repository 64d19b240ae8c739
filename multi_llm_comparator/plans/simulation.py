"""A plan run by the clock of theory: steps arrive, wait for workers, read, write, slow each other down, end.

Discrete events. How fast a step goes depends on what else is at work, and changes only at events, so that between two
of them everything runs on evenly.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from multi_llm_comparator.plans.company import Busy, Phase
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.ready_set import ReadySet

_END, _RELEASE, _ARRIVAL, _SHIFT = range(4)

# How many times as long a phase of a target's step takes beside all that is at work, itself included.
Stretch = Callable[[str, Phase, Busy], float]


@dataclass(frozen=True, slots=True)
class Work:
    """What a step takes when nothing else is at work, in seconds."""

    reading_s: float = 0.0
    writing_s: float = 0.0

    @property
    def duration_s(self) -> float:
        return self.reading_s + self.writing_s


@dataclass(frozen=True, slots=True)
class Background:
    """Something else that keeps a target at work for a while, in seconds from the start: the planner, for one."""

    target: str
    start_s: float
    end_s: float


@dataclass(slots=True)
class _Running:
    target: str
    phase: Phase
    left_s: float
    writing_s: float
    since_s: float
    # Nothing is foreseen yet; :meth:`Simulation._adjust` does that.
    stretch: float = 0.0
    ends_s: float = -1.0


class Simulation:
    """One run.

    Args:
        plan: a valid plan.
        work: what each step takes when nothing else is at work, by id.
        target_of: which target solves a step; None for steps that need no model.
        workers: steps in flight at most.
        arrivals_s: when each step is there; absent ones are from the start.
        release_s: for how long after a step's end its worker is still busy and those that need it still wait, by id.
        stretch: how steps slow each other down.
        background: what else is at work.
    """

    def __init__(
        self,
        plan: Plan,
        work: Mapping[str, Work],
        target_of: Callable[[Step], str | None],
        workers: int,
        *,
        arrivals_s: Mapping[str, float],
        release_s: Mapping[str, float],
        stretch: Stretch,
        background: Sequence[Background] = (),
    ) -> None:
        self._work, self._target_of, self._free = work, target_of, workers
        self._release_s, self._stretch = release_s, stretch
        self._steps = plan.by_id
        self._ready = ReadySet()
        self._running: dict[str, _Running] = {}
        self._busy: Busy = Counter()
        # Who has not read its prompt yet, by target, in the order in which they came: all but the first are waiting.
        self._lines: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.starts: dict[str, float] = {}
        self.firsts: dict[str, float] = {}
        self.ends: dict[str, float] = {}
        # Ends before arrivals at the same moment, and both in a fixed order: the prediction is reproducible.
        self._events: list[tuple[float, int, int, str, int]] = [
            (arrivals_s.get(step.id, 0.0), _ARRIVAL, number, step.id, 0) for number, step in enumerate(plan.steps)
        ]
        for number, one in enumerate(background):
            self._events.append((one.start_s, _SHIFT, number, one.target, 1))
            self._events.append((one.end_s, _SHIFT, number, one.target, -1))
        heapq.heapify(self._events)

    def run(self) -> None:
        """Fill :attr:`starts`, :attr:`firsts` and :attr:`ends`: when each step begins, has read and is done."""
        while len(self.ends) < len(self._steps):
            at = self._events[0][0]
            while self._events and self._events[0][0] == at:
                self._happen(*heapq.heappop(self._events))
            self._start(at)
            self._adjust(at)

    def _happen(self, at: float, kind: int, _: int, name: str, by: int) -> None:
        if kind == _ARRIVAL:
            self._ready.add(self._steps[name])
        elif kind == _SHIFT:
            self._busy[name, "planning"] += by
        elif kind == _RELEASE:
            self._free += 1
            self._ready.done(name)
        # The end of a phase is foreseen anew whenever its speed changes; the older forecasts are void.
        elif (run := self._running.get(name)) is not None and run.ends_s == at:
            self._busy[run.target, run.phase] -= 1
            if run.phase == "writing":
                self._end(name, at)
            else:
                self._has_read(name, run.target, at)
                self._enter(name, _Running(run.target, "writing", run.writing_s, 0.0, at))

    def _enter(self, step_id: str, run: _Running) -> None:
        self._running[step_id] = run
        self._busy[run.target, run.phase] += 1

    def _has_read(self, step_id: str, target: str, at: float) -> None:
        self.firsts[step_id] = at
        line = self._lines[target]
        del line[step_id]
        first = self._running[next(iter(line))] if line else None
        if first is not None and first.phase == "waiting":
            first.phase = "reading"
            self._busy[target, "waiting"] -= 1
            self._busy[target, "reading"] += 1

    def _end(self, step_id: str, at: float) -> None:
        del self._running[step_id]
        self.ends[step_id] = at
        held_s = self._release_s.get(step_id, 0.0)
        if held_s > 0:
            heapq.heappush(self._events, (at + held_s, _RELEASE, len(self.ends), step_id, 0))
        else:
            self._free += 1
            self._ready.done(step_id)

    def _start(self, at: float) -> None:
        while self._free and (step := self._ready.pop()):
            self._free -= 1
            self.starts[step.id] = at
            target, work = self._target_of(step), self._work[step.id]
            if target is None:
                self.firsts[step.id] = at
                self._enter(step.id, _Running("", "writing", 0.0, 0.0, at))
                continue
            phase: Phase = "waiting" if self._lines[target] else "reading"
            self._lines[target][step.id] = None
            self._enter(step.id, _Running(target, phase, work.reading_s, work.writing_s, at))

    def _adjust(self, at: float) -> None:
        """Foresee the end of every phase whose speed is another one from now on."""
        stretches: dict[tuple[str, Phase], float] = {}
        for step_id, run in self._running.items():
            kind = run.target, run.phase
            if kind not in stretches:
                stretches[kind] = self._stretch(*kind, self._busy) if run.target else 1.0
            stretch = stretches[kind]
            if stretch == run.stretch:
                continue
            if run.stretch:
                run.left_s = max(0.0, run.left_s - (at - run.since_s) / run.stretch)
            run.stretch, run.since_s = stretch, at
            run.ends_s = at + run.left_s * stretch
            heapq.heappush(self._events, (run.ends_s, _END, len(self.starts), step_id, 0))
