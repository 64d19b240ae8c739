"""From the logits of a place to a token's log-probability and the likeliest tokens there: the same in both engines.

An answer is slowed down as little as may be: one pass over the logits for the sum of exponentials, and the likeliest
tokens are looked for only in the blocks of the vocabulary whose largest logits are among the largest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from multi_llm_comparator.core.token_pieces import NO_CHANCE, TokenChance, TokenPiece

BLOCK = 64
Floats = npt.NDArray[np.float32]


class Chances:
    """What the model thinks of each token at one place, as its logits stand when this is made.

    Args:
        logits: of all tokens, float32, shape (vocabulary,). They are copied: samplers change them.
        n_top: how many of the likeliest are wanted.
    """

    def __init__(self, logits: Floats, n_top: int) -> None:
        self._logits = logits.copy()
        peak = float(self._logits.max())
        self._normaliser = peak + float(np.log(np.exp(self._logits - np.float32(peak)).sum(dtype=np.float64)))
        self._ids = likeliest(self._logits, n_top)

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


def likeliest(logits: Floats, n_top: int) -> list[int]:
    """The ids of the ``n_top`` largest logits, the largest first; of equal ones the one with the smaller id."""
    n_top = min(n_top, len(logits))
    if not n_top:
        return []
    n_blocks = len(logits) // BLOCK
    places = np.arange(len(logits))
    if n_blocks > n_top:
        # The largest are in the blocks with the largest maxima, or in what is left over behind the last block.
        maxima = logits[: n_blocks * BLOCK].reshape(n_blocks, BLOCK).max(axis=1)
        blocks = np.sort(np.argsort(-maxima, kind="stable")[:n_top])
        inside = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
        places = np.concatenate([inside, np.arange(n_blocks * BLOCK, len(logits))])
    best = np.argsort(-logits[places], kind="stable")[:n_top]
    return [int(id) for id in places[best]]
