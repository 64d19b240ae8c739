"""From the logits of a place to a token's log-probability and the likeliest tokens there: the same in both engines.

An answer is slowed down as little as may be: one pass over the logits for the sum of exponentials, the likeliest tokens
are looked for only near the largest logit, or else in the parts of the vocabulary whose largest are among the largest,
and all of an answer's places use the same memory (a page that is touched for the first time costs more than the sums on
it).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from multi_llm_comparator.core.token_pieces import NO_CHANCE, TokenChance, TokenPiece

# So many nats below the largest logit the likeliest are looked for first, and no further if they are there and few. Of
# SmolLM2's answers half have 75 tokens there and hardly any has over 1,000, of 49,152.
NEAR = 8.0
FEW = 2048
# Otherwise the vocabulary is laid into so many rows; the largest of each column costs one sweep from row to row.
ROWS = 64
SMALLEST = np.finfo(np.float32).min
Floats = npt.NDArray[np.float32]


class Chances:
    """What the model thinks of each token at the place that an answer has come to.

    Args:
        n_top: how many of the likeliest are wanted.
    """

    def __init__(self, n_top: int) -> None:
        self._n_top = n_top
        self._logits = self._powers = np.empty(0, np.float32)
        self._normaliser = 0.0
        self._ids: list[int] = []

    def look(self, logits: Floats, peak: float) -> None:
        """Take note of the logits of all tokens, float32, shape (vocabulary,), as they stand: samplers change them.

        ``peak`` is the largest of them.
        """
        if len(self._logits) != len(logits):
            self._logits, self._powers = np.empty_like(logits), np.empty_like(logits)
        np.copyto(self._logits, logits)
        np.exp(np.subtract(self._logits, np.float32(peak), out=self._powers), out=self._powers)
        self._normaliser = peak + math.log(self._powers.sum())
        self._ids = likeliest(self._logits, self._n_top, peak).tolist()

    def piece(self, token: int, spelled: Callable[[int], tuple[str, bytes]]) -> TokenPiece:
        """The token that was chosen here; ``spelled`` gives a token's text and bytes."""
        text, own = spelled(token)
        top = []
        for id in self._ids:
            other, raw = spelled(id)
            top.append(TokenChance(id, other, self.logprob(id), tuple(raw)))
        return TokenPiece(token, text, tuple(own), self.logprob(token), tuple(top))

    def logprob(self, token: int) -> float:
        """In nats."""
        value: Any = self._logits[token]
        return max(float(value) - self._normaliser, NO_CHANCE)


def likeliest(logits: Floats, n_top: int, peak: float | None = None) -> npt.NDArray[np.int64]:
    """The ids of the ``n_top`` largest logits, the largest first; of equal ones the one with the smaller id.

    Fewer where the others are minus infinity. ``peak`` is the largest, where it is known.
    """
    n_top = min(n_top, len(logits))
    if not n_top:
        return np.empty(0, np.int64)
    width = len(logits) // ROWS
    near = np.flatnonzero(logits >= (logits.max() if peak is None else peak) - np.float32(NEAR))
    if n_top <= len(near) <= max(FEW, n_top):
        places = near
    elif width <= n_top:
        places = np.arange(len(logits))
    else:
        # None of the largest is in a column whose largest is smaller than that of n_top others; some are behind them.
        columns = np.flatnonzero(_among_largest(logits[: width * ROWS].reshape(ROWS, width).max(axis=0), n_top))
        inside = (np.arange(ROWS)[:, None] * width + columns).ravel()
        rest = np.arange(width * ROWS, len(logits))
        places = np.concatenate([inside, rest]) if len(rest) else inside
    values = logits[places]
    chosen = np.flatnonzero(_among_largest(values, n_top))
    places, values = places[chosen], values[chosen]
    return places[np.lexsort((places, -values))[:n_top]]


def _among_largest(values: Floats, n_top: int) -> npt.NDArray[np.bool_]:
    """Which of them are as large as the ``n_top``-th largest, and more than minus infinity."""
    least = SMALLEST
    if len(values) > n_top:
        least = max(least, np.partition(values, -n_top)[-n_top])
    among: npt.NDArray[np.bool_] = values >= least
    return among
