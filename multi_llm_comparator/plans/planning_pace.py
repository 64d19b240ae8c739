"""How long a planner takes to write a plan, from those that it wrote before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from multi_llm_comparator.plans.least_squares import mean_pace, seconds_fitted
from multi_llm_comparator.plans.timeline import Span

MAX_KEPT = 60
# Each so many plans further back, one tells half as much of how fast the machine is just now.
HALF_LIFE = 4.0
# A planner never loses more of its speed than this to one other model, nor to all of them together: what was lost in
# some slow minutes says little of others.
MOST_LOST_TO_ONE, MOST_LOST = 0.5, 0.9


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """A plan as it was written: its tokens, thinking included, and how long that took, loading left out.

    ``beside_s`` is how long models were at work on steps meanwhile, added up over the models.
    """

    tokens: int
    duration_s: float
    beside_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PlanningPace:
    """How long so many tokens take. Each takes a little longer the more there are before it, by ``s_per_token_before``:
    models look back at all of them, and grammars know what was written. ``lost_beside`` is the share of its speed that
    the planner loses to each model that is at work on steps."""

    fixed_s: float
    s_per_token: float
    s_per_token_before: float = 0.0
    lost_beside: float = 0.0

    @classmethod
    def fitted(cls, written: Sequence[WrittenPlan]) -> PlanningPace:
        """From at least one plan, the latest last."""
        written = written[-MAX_KEPT:]
        tokens = np.array([float(w.tokens) for w in written])
        took = np.array([w.duration_s for w in written])
        beside = np.array([w.beside_s for w in written])
        alone = np.column_stack((np.ones(len(written)), tokens, tokens * (tokens - 1) / 2))
        figures = np.zeros(4)
        # So many figures want as many lengths; of fewer only the mean speed is known.
        if np.unique(tokens).size >= 2 * alone.shape[1]:
            figures = seconds_fitted(np.column_stack((alone, beside)), took, np.ones(len(written)))
        if not figures[:3].any():
            figures = np.array([0.0, (took / tokens).mean(), 0.0, 0.0])
        lost = min(MOST_LOST_TO_ONE, float(figures[3]))
        kept = np.maximum(took - lost * beside, (1 - MOST_LOST) * took)
        weight = 0.5 ** (np.arange(len(written))[::-1] / HALF_LIFE)
        pace = mean_pace(kept / np.maximum(alone @ figures[:3], 1e-9), weight)
        fixed_s, s_per_token, s_per_token_before = (pace * figures[:3]).tolist()
        return cls(fixed_s, s_per_token, s_per_token_before, lost)

    def duration_s(self, tokens: float, beside: Iterable[Span] = ()) -> float:
        """Expected seconds until so many tokens are written.

        Args:
            tokens: as many.
            beside: when each other model is at work, in seconds from the planner's start.
        """
        spans = list(beside)
        left = self.fixed_s + self.s_per_token * tokens + self.s_per_token_before * max(0.0, tokens * (tokens - 1) / 2)
        at, there = 0.0, 0
        for turn, change in sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans]):
            speed = 1 - min(MOST_LOST, self.lost_beside * there)
            if left <= (turn - at) * speed:
                return at + left / speed
            left -= max(0.0, turn - at) * speed
            at, there = max(at, turn), there + change
        return at + left
