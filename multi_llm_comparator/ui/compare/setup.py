"""How all panes are asked: with the same parameters or each maker's, at once or one at a time, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from multi_llm_comparator.comparison.repeats import MAX_REPEATS

Fairness = Literal["same", "makers", "own"]
FAIRNESS: tuple[Fairness, ...] = get_args(Fairness)


@dataclass(frozen=True, slots=True)
class Setup:
    """What a visitor chose. ``in_turn``: each pane has the machine for itself; ``repeats``: answers of each pane."""

    fairness: Fairness = "same"
    in_turn: bool = False
    repeats: int = 1


def setup_from(stored: Mapping[str, Any]) -> Setup:
    """As it was stored; what cannot be is left as it is at first."""
    fairness, repeats = stored.get("fairness"), stored.get("repeats")
    return Setup(
        fairness=next((known for known in FAIRNESS if known == fairness), "same"),
        in_turn=stored.get("in_turn") is True,
        repeats=repeats if isinstance(repeats, int) and 1 <= repeats <= MAX_REPEATS else 1,
    )
