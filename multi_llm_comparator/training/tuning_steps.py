"""Figures of a tuning's course that both who runs it and who only estimates it must know; no torch."""

from __future__ import annotations

import math

# Evaluations of a tuning where nobody chose how often, besides one before the first step.
AUTO_EVALUATIONS = 8
# Learnt tokens whose logits are held at a time.
LOSS_CHUNK_TOKENS = 256


def evaluate_every(chosen: int | str, steps: int) -> int:
    """Steps from one evaluation to the next."""
    return max(1, math.ceil(steps / AUTO_EVALUATIONS)) if isinstance(chosen, str) else chosen
