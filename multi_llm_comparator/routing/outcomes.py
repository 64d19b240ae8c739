"""Recorded answers: which models answered which questions well, and what each answer took."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from multi_llm_comparator.core.exceptions import ConfigurationError

MAX_QUESTIONS, MAX_MODELS = 100_000, 300
Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Answers of ``models`` to ``questions``.

    Attributes:
        values: one row a question, one column a model: 0 (wrong) to 1 (right); NaN where it was not asked.
        costs: the same shape: what each answer took, in ``unit``; none is NaN or negative.
        unit: of the costs, such as ``s`` or ``USD``.
    """

    questions: tuple[str, ...]
    models: tuple[str, ...]
    values: Numbers
    costs: Numbers
    unit: str

    def __post_init__(self) -> None:
        shape = (len(self.questions), len(self.models))
        if self.values.shape != shape or self.costs.shape != shape:
            raise ConfigurationError(f"{shape[0]} questions and {shape[1]} models need tables of {shape!r}")
        if shape[0] > MAX_QUESTIONS or shape[1] > MAX_MODELS:
            raise ConfigurationError(f"at most {MAX_QUESTIONS} questions of {MAX_MODELS} models are learnt from")

    def rows(self, chosen: Sequence[int] | npt.NDArray[np.intp]) -> Outcomes:
        """Some of the questions."""
        taken = [self.questions[row] for row in chosen]
        return Outcomes(tuple(taken), self.models, self.values[chosen], self.costs[chosen], self.unit)

    def answered_by_all(self) -> Outcomes:
        """The questions that every model was asked: only on these can any two choices be compared."""
        return self.rows(np.flatnonzero(~np.isnan(self.values).any(axis=1)))

    def split(self, held_out: float, purpose: str) -> tuple[Outcomes, Outcomes]:
        """To learn from, and to judge by: a question's text alone decides where it goes, so that the same one never
        stands on both sides, whatever is added. Splits for another ``purpose`` are independent of each other."""
        aside = np.array([_share(f"{purpose} {question}") < held_out for question in self.questions], dtype=bool)
        return self.rows(np.flatnonzero(~aside)), self.rows(np.flatnonzero(aside))

    @property
    def mean_values(self) -> Numbers:
        """Share of right answers by model; 0 for one that was never asked."""
        known = ~np.isnan(self.values)
        means: Numbers = (np.nansum(self.values, axis=0) / np.maximum(1, known.sum(axis=0))).astype(np.float32)
        return means

    @property
    def mean_costs(self) -> Numbers:
        sums: Numbers = self.costs.sum(axis=0, dtype=np.float32)
        means: Numbers = sums / np.float32(max(1, len(self.questions)))
        return means


def _share(question: str) -> float:
    """A number from 0 to 1 that a text always has."""
    digest = hashlib.sha256(" ".join(question.split()).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
