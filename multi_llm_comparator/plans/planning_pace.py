"""How long a planner takes to write a plan, from those that it wrote before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multi_llm_comparator.plans.least_squares import mean_pace, seconds_fitted

MAX_KEPT = 60
# Each so many plans further back, one tells half as much of how fast the machine is just now.
HALF_LIFE = 4.0


@dataclass(frozen=True, slots=True)
class WrittenPlan:
    """A plan as it was written: its tokens, thinking included, and how long that took, loading left out."""

    tokens: int
    duration_s: float


@dataclass(frozen=True, slots=True)
class PlanningPace:
    """How long so many tokens take. Each takes a little longer the more there are before it, by ``s_per_token_before``:
    models look back at all of them, and grammars know what was written."""

    fixed_s: float
    s_per_token: float
    s_per_token_before: float = 0.0

    @classmethod
    def fitted(cls, written: Sequence[WrittenPlan]) -> PlanningPace:
        """From at least one plan, the latest last."""
        written = written[-MAX_KEPT:]
        tokens = np.array([float(w.tokens) for w in written])
        took = np.array([w.duration_s for w in written])
        facts = np.column_stack((np.ones(len(written)), tokens, tokens * (tokens - 1) / 2))
        # So many figures want as many lengths; of fewer only the mean speed is known.
        many = np.unique(tokens).size >= 2 * facts.shape[1]
        figures = (
            seconds_fitted(facts, took, np.ones(len(written))) if many else np.array([0.0, (took / tokens).mean(), 0.0])
        )
        weight = 0.5 ** (np.arange(len(written))[::-1] / HALF_LIFE)
        return cls(*(figures * mean_pace(took / np.maximum(facts @ figures, 1e-9), weight)).tolist())

    def duration_s(self, tokens: float) -> float:
        """Expected seconds until so many tokens are written."""
        before = max(0.0, tokens * (tokens - 1) / 2)
        return self.fixed_s + self.s_per_token * tokens + self.s_per_token_before * before
