"""Logits to log-probabilities: what a score tells of each token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from multi_llm_comparator.core.scores import ScoreRequest

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Lines:
    """Logits of consecutive places, of shape (places, vocabulary), and the logarithm of each place's sum of
    exponentials, of shape (places,): their difference is a log-probability."""

    logits: Floats
    normalisers: npt.NDArray[Any]

    @classmethod
    def of(cls, logits: Floats) -> Lines:
        """Lines whose sums are yet to be computed."""
        peak = logits.max(axis=-1, keepdims=True)
        sums = np.exp(logits - peak).sum(axis=-1, dtype=np.float64)
        return cls(logits, np.log(sums) + peak[:, 0])

    def __len__(self) -> int:
        return len(self.logits)

    def part(self, begin: int, end: int) -> Lines:
        """The places from ``begin`` to before ``end``."""
        return Lines(self.logits[begin:end], self.normalisers[begin:end])

    def picked(self, places: Sequence[int]) -> Lines:
        """These places."""
        return Lines(self.logits[list(places)], self.normalisers[list(places)])


@dataclass(eq=False, slots=True)
class ScoreTally:
    """The score of one continuation while its tokens are counted, in order."""

    request: ScoreRequest
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    matches: list[bool] = field(default_factory=list)
    top: list[dict[str, Any]] = field(default_factory=list)
    at: list[list[float]] = field(default_factory=list)

    def count(self, tokens: Sequence[int], lines: Lines) -> None:
        """Count tokens, each drawn from its line."""
        ids = np.asarray(tokens)
        places = np.arange(len(ids))
        values = lines.logits[places, ids] - lines.normalisers
        self.logprobs += [float(value) for value in values]
        # The first of equal ones, as greedy decoding takes it.
        self.matches += [bool(match) for match in lines.logits.argmax(axis=-1) == ids]
        for place in range(len(ids)) if self.request.top_k or self.request.at else ():
            self._details(lines.logits[place], float(lines.normalisers[place]), len(self.tokens) + place)
        self.tokens += tokens

    def _details(self, logits: Floats, normaliser: float, place: int) -> None:
        if self.request.at:
            wanted = list(self.request.at[place]) if place < len(self.request.at) else []
            self.at.append([float(value) - normaliser for value in logits[wanted]] if wanted else [])
        if k := min(self.request.top_k, len(logits)):
            best = np.argpartition(-logits, k - 1)[:k]
            best = best[np.argsort(-logits[best], kind="stable")]
            values = [float(value) - normaliser for value in logits[best]]
            self.top.append({"ids": [int(i) for i in best], "logprobs": values})

    def score(self) -> dict[str, Any] | None:
        """As :class:`core.scores.ContinuationScore` has it, in plain data; None when there are values that are no
        numbers."""
        if np.isnan(self.logprobs).any():
            return None
        return {
            "logprob": float(np.sum(self.logprobs)),
            "token_logprobs": self.logprobs,
            "is_greedy": all(self.matches),
            "tokens": self.tokens,
            "greedy_matches": self.matches,
            "top": self.top,
            "at": self.at,
        }
