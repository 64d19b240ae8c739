"""How all panes are asked: with the same parameters or each maker's, at once or one at a time, how often, and what is
kept of each token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from multi_llm_comparator.comparison.repeats import MAX_REPEATS

Fairness = Literal["same", "makers", "own"]
FAIRNESS: tuple[Fairness, ...] = get_args(Fairness)
# Whose answers keep log-probabilities. Not all endpoints have them, and what a group repeats from its cache has none.
Kept = Literal["local", "all", "none"]
KEPT: tuple[Kept, ...] = get_args(Kept)
# Beside each token so many of the likeliest.
TOP_LOGPROBS = 5


@dataclass(frozen=True, slots=True)
class Setup:
    """What a visitor chose. ``in_turn``: each pane has the machine for itself; ``repeats``: answers of each pane."""

    fairness: Fairness = "same"
    in_turn: bool = False
    repeats: int = 1
    tokens: Kept = "local"

    def top_logprobs(self, *, is_local: bool) -> int | None:
        """What a pane is to ask for."""
        return TOP_LOGPROBS if self.tokens == "all" or (self.tokens == "local" and is_local) else None


def setup_from(stored: Mapping[str, Any]) -> Setup:
    """As it was stored; what cannot be is left as it is at first."""
    fairness, repeats, tokens = stored.get("fairness"), stored.get("repeats"), stored.get("tokens")
    return Setup(
        fairness=next((known for known in FAIRNESS if known == fairness), "same"),
        in_turn=stored.get("in_turn") is True,
        repeats=repeats if isinstance(repeats, int) and 1 <= repeats <= MAX_REPEATS else 1,
        tokens=next((known for known in KEPT if known == tokens), "local"),
    )
