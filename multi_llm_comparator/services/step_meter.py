"""How long decode steps take, by how many answers they write: told by a model process to the app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from multi_llm_comparator.core.events import WRITTEN, Event, Reading, Started

REPORT_EVERY_S = 1.0

# Of each number of answers: how many tokens each got, and the seconds that it took.
StepTimes = dict[int, tuple[int, float]]


class StepMeter:
    """Counts the tokens that all answers got in steps in which nothing else was done."""

    def __init__(self, at: float) -> None:
        self._times: StepTimes = {}
        self._told_at = at

    def note(self, events: Sequence[Event], seconds: float) -> None:
        """One step: what came of it, and how long it took."""
        writing: Counter[str] = Counter()
        for event in events:
            if isinstance(event, Started | Reading) or (isinstance(event, WRITTEN) and event.tokens <= 1):
                return
            if isinstance(event, WRITTEN):
                writing[event.request_id] += 1
        if rows := len(writing):
            steps, spent = self._times.get(rows, (0, 0.0))
            # Answers of different adapters write some tokens each before it is the next one's turn.
            self._times[rows] = steps + max(writing.values()), spent + seconds

    def report(self, at: float) -> StepTimes:
        """What has been counted since the last report, where that is long enough ago; else nothing."""
        if not self._times or at - self._told_at < REPORT_EVERY_S:
            return {}
        times, self._times, self._told_at = self._times, {}, at
        return times
