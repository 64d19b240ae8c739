"""Which steps can start: bookkeeping alone, no clock and no models, so that it can be tested exhaustively."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Literal

from multi_llm_comparator.plans.errors import DuplicateStepError
from multi_llm_comparator.plans.plan import Step

# Chains longer than this count as equally long: each new step then touches a bounded number of others.
LONGEST_COUNTED = 32


class ReadySet:
    """Steps arrive in any order, also after those that need them; each becomes ready once.

    Of several ready steps the one with the longest chain of steps behind it (as far as known) goes first: it is the
    one most likely to hold up the end. Ties go in the order of arrival.
    """

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._order: dict[str, int] = {}
        self._missing: dict[str, int] = {}
        self._dependents: dict[str, list[str]] = defaultdict(list)
        self._done: set[str] = set()
        self._lost: set[str] = set()
        self._behind: dict[str, int] = defaultdict(int)
        self._ready: list[tuple[int, int, str]] = []
        self._queued: set[str] = set()

    def add(self, step: Step) -> Literal["ready", "waiting", "lost"]:
        """Take a step in; it is lost when something it needs is lost already.

        Raises:
            DuplicateStepError: there is one of this id.
        """
        if step.id in self._steps:
            raise DuplicateStepError(f"step {step.id!r} occurs twice")
        self._steps[step.id] = step
        self._order[step.id] = len(self._order)
        missing = 0
        for needed in step.rely:
            self._dependents[needed].append(step.id)
            missing += needed not in self._done
        self._missing[step.id] = missing
        if any(needed in self._lost for needed in step.rely):
            self._lost.add(step.id)
            return "lost"
        self._lengthen(step)
        if missing:
            return "waiting"
        self._enqueue(step.id)
        return "ready"

    def pop(self) -> Step | None:
        """The most urgent ready step, or None."""
        while self._ready:
            negative, _, step_id = heapq.heappop(self._ready)
            # An entry from before its chain grew has a newer one elsewhere in the heap.
            if step_id in self._queued and -negative == self._behind[step_id]:
                self._queued.discard(step_id)
                return self._steps[step_id]
        return None

    def done(self, step_id: str) -> list[str]:
        """A step has its answer: returns the steps that waited for it alone and are ready now."""
        self._done.add(step_id)
        freed: list[str] = []
        for dependent in self._dependents.get(step_id, ()):
            self._missing[dependent] -= 1
            if self._missing[dependent] == 0 and dependent not in self._lost:
                self._enqueue(dependent)
                freed.append(dependent)
        return freed

    def failed(self, step_id: str) -> list[str]:
        """A step has no answer: returns the steps that cannot run any more, nearest first."""
        self._lost.add(step_id)
        lost: list[str] = []
        pending = deque([step_id])
        while pending:
            for dependent in self._dependents.get(pending.popleft(), ()):
                if dependent not in self._lost and dependent not in self._done:
                    self._lost.add(dependent)
                    self._queued.discard(dependent)
                    lost.append(dependent)
                    pending.append(dependent)
        return lost

    def waiting(self) -> list[str]:
        """Steps that are neither ready nor done nor lost: their dependencies have not arrived or not ended."""
        return [s for s, missing in self._missing.items() if missing and s not in self._lost and s not in self._done]

    def absent(self) -> set[str]:
        """Ids that steps wait for and that have not arrived."""
        return {n for s in self.waiting() for n in self._steps[s].rely if n not in self._steps}

    def _enqueue(self, step_id: str) -> None:
        self._queued.add(step_id)
        heapq.heappush(self._ready, (-self._behind[step_id], self._order[step_id], step_id))

    def _lengthen(self, step: Step) -> None:
        """A new step makes the chains behind those it needs longer."""
        pending: list[tuple[Iterable[str], int]] = [(step.rely, self._behind[step.id] + 1)]
        while pending:
            needed_ids, length = pending.pop()
            for needed in needed_ids:
                if self._behind[needed] >= length or length > LONGEST_COUNTED:
                    continue
                self._behind[needed] = length
                if needed in self._queued:
                    self._enqueue(needed)
                if known := self._steps.get(needed):
                    pending.append((known.rely, length + 1))
