"""Figures of a tuning's course that both who runs it and who only estimates it must know; no torch."""

from __future__ import annotations

import math

# Evaluations of a tuning where nobody chose how often, besides one before the first step.
AUTO_EVALUATIONS = 8
# Learnt tokens whose logits are held at a time.
LOSS_CHUNK_TOKENS = 256
# Where values are computed again: free memory between pieces in use, more than which is given back.
MOST_HOLES_BYTES = 128 * 2**20
# Where each shape of a product needs a kernel of its own, lengths are filled up to multiples: of the first up to so
# many tokens, of the second beyond.
FILL_TOKENS, FINE_UP_TO_TOKENS = (32, 64), 256


def evaluate_every(chosen: int | str, steps: int) -> int:
    """Steps from one evaluation to the next."""
    return max(1, math.ceil(steps / AUTO_EVALUATIONS)) if isinstance(chosen, str) else chosen


def step_count(examples: int, in_step: int, epochs: float) -> int:
    """Steps of a whole tuning; an epoch ends with a smaller step where its examples do not fill the last one."""
    whole = int(epochs)
    steps = whole * math.ceil(examples / in_step)
    # Of a broken epoch the first examples are seen.
    rest = math.ceil(examples * (epochs - whole)) if epochs - whole > 1e-9 else 0
    return max(1, steps + math.ceil(rest / in_step))


def fill_step(tokens: int) -> int:
    """What the length of so many tokens is filled up to a multiple of."""
    return FILL_TOKENS[tokens > FINE_UP_TO_TOKENS]


def filled_up(tokens: int) -> int:
    """The least of few lengths that so many tokens fit into."""
    step = fill_step(tokens)
    return -(-tokens // step) * step
