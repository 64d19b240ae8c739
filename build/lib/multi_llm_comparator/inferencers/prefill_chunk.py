"""How much of a prompt is read in one step, between two looks at who wants to stop."""

from __future__ import annotations

# Tokens times parameters: a few tenths of a second on a small CPU. By the model's size rather than by the clock, so
# that a prompt is always cut in the same places and answers can be repeated.
STEP_WORK = 1.5e11
MIN_STEP_TOKENS = 16


def tokens_per_step(parameters: int, most: int) -> int:
    """Tokens of a prompt that a model of so many parameters reads in one step on a CPU; ``most`` unless it is large."""
    return max(MIN_STEP_TOKENS, min(int(STEP_WORK / max(parameters, 1)), most))
