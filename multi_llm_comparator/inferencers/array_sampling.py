"""Choosing an answer's next token from a row of logits, in llama.cpp's order of samplers.

Repeat, frequency and presence penalty over the last tokens, then top-k, typical-p, top-p and min-p (each over what the
one before left, before the temperature), temperature, and a draw: or the likeliest token. llama.cpp's own samplers copy
and search the whole vocabulary for each token of each answer, on one core, while the other waits; here only what may be
drawn is looked at.
"""

from __future__ import annotations

import math
import random
from collections import Counter, deque

import numpy as np
import numpy.typing as npt

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.inferencers.token_chances import Floats, likeliest

# How many of the answer's last tokens a penalty looks back on. Prompt tokens do not count: words of the question
# may be repeated.
PENALTY_WINDOW = 64
# Of a whole vocabulary top-p nearly always keeps fewer; where it does not, all are sorted.
FIRST_LOOK = 128
Ids = npt.NDArray[np.int64]
# In double precision where few are left.
Reals = npt.NDArray[np.floating]


class ArraySampler:
    """One answer's parameters, its last tokens and its stream of random numbers."""

    def __init__(self, config: ModelConfig, seed: int | None) -> None:
        """``seed``: None where nothing is left to chance."""
        self._config = config
        self._random = random.Random(seed)
        self._recent: deque[int] = deque(maxlen=PENALTY_WINDOW)
        penalties = (config.repeat_penalty, config.frequency_penalty, config.presence_penalty)
        self._has_penalties = penalties != (1.0, 0.0, 0.0)

    def pick(self, logits: Floats) -> int:
        """The next token, from the logits of all tokens, shape (vocabulary,), which are changed; one must be finite."""
        if self._config.is_greedy:
            self._penalise(logits)
            token = int(logits.argmax())
        else:
            ids, chances = self.chances(logits)
            sums = chances.cumsum(dtype=np.float64)
            place = int(sums.searchsorted(self._random.random() * sums[-1], side="right"))
            token = int(ids[min(place, len(ids) - 1)])
        self.remember(token)
        return token

    def remember(self, token: int) -> None:
        """Take note of the answer's next token."""
        self._recent.append(token)

    def chances(self, logits: Floats) -> tuple[Ids, Reals]:
        """The tokens that may be drawn, and how likely each is beside the others; the logits are changed."""
        self._penalise(logits)
        config = self._config
        ids, scores = self._shortlist(logits)
        if config.min_p > 0.0:
            kept = scores >= scores.max() + math.log(config.min_p)
            ids, scores = ids[kept], scores[kept]
        return ids, np.exp((scores - scores.max()) / config.temperature)

    def _penalise(self, logits: Floats) -> None:
        if not self._has_penalties or not self._recent:
            return
        config, counts = self._config, Counter(self._recent)
        ids = list(counts)
        said = logits[ids]
        dearer = np.where(said > 0, said / config.repeat_penalty, said * config.repeat_penalty)
        logits[ids] = dearer - config.presence_penalty - config.frequency_penalty * np.array(list(counts.values()))

    def _shortlist(self, logits: Floats) -> tuple[Ids, Reals]:
        """What top-k, typical-p and top-p leave, with its logits."""
        config = self._config
        if not 0 < config.top_k < len(logits) and config.typical_p >= 1.0:
            return self._of_all(logits)
        ids = likeliest(logits, config.top_k or len(logits))
        scores = logits[ids].astype(np.float64)
        if config.typical_p < 1.0:
            kept = _typical(scores, config.typical_p)
            ids, scores = ids[kept], scores[kept]
        if config.top_p < 1.0:
            count = _reaching(_shares(scores), config.top_p)
            ids, scores = ids[:count], scores[:count]
        return ids, scores

    def _of_all(self, logits: Floats) -> tuple[Ids, Reals]:
        """What top-p leaves of the whole vocabulary, which is sorted only where it must be."""
        if self._config.top_p >= 1.0:
            return np.arange(len(logits)), logits
        peak = logits.max()
        whole = float(np.exp(logits - peak).sum(dtype=np.float64))
        ids = likeliest(logits, FIRST_LOOK)
        shares = np.exp(logits[ids] - peak) / whole
        if shares.sum() <= self._config.top_p:
            ids = (-logits).argsort()
            shares = np.exp(logits[ids] - peak) / whole
        ids = ids[: _reaching(shares, self._config.top_p)]
        return ids, logits[ids].astype(np.float64)


def _shares(scores: Reals) -> Reals:
    powers: Reals = np.exp(scores - scores.max())
    shares: Reals = powers / powers.sum()
    return shares


def _reaching(shares: Reals, top_p: float) -> int:
    """How many of the likeliest it takes: the one with which the sum reaches ``top_p`` is the last one in."""
    return min(int(shares.cumsum(dtype=np.float64).searchsorted(top_p, side="left")) + 1, len(shares))


def _typical(scores: Reals, typical_p: float) -> npt.NDArray[np.bool_]:
    """Which tokens are in: those whose surprise is nearest to what is to be expected, until their share exceeds it."""
    shares = _shares(scores)
    with np.errstate(divide="ignore"):
        surprise = -np.log(shares)
    expected = float((shares[shares > 0] * surprise[shares > 0]).sum())
    order = np.abs(surprise - expected).argsort(kind="stable")
    ordered = shares[order]
    kept = np.zeros(len(scores), np.bool_)
    kept[order[ordered.cumsum() - ordered <= typical_p]] = True
    return kept
