"""Recorded votes as arrays, and what they come to under given weights: the count of :mod:`cooperation.votes` for many
questions at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from multi_llm_comparator.cooperation.weighting import Record

Numbers = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Truths = npt.NDArray[np.bool_]
NOBODY = -1
_EPSILON = 1e-9


@dataclass(frozen=True, eq=False)
class Ballots:
    """What members said to some questions.

    Attributes:
        said: by question, candidate and member: 1 where the member named the candidate. Candidates stand in the order
            in which members name them; beyond those that were named there is padding.
        right: by question, the number of the right candidate, ``NOBODY`` where no member named it.
    """

    said: Numbers
    right: Rows

    @classmethod
    def of(cls, records: Sequence[Record]) -> Ballots:
        right = np.full(len(records), NOBODY, np.intp)
        places: list[tuple[int, int, int]] = []
        width = 1
        for n, record in enumerate(records):
            found: dict[str, int] = {}
            for m, vote in enumerate(record.votes):
                if vote is not None:
                    places.append((n, found.setdefault(vote, len(found)), m))
            right[n] = found.get(record.right, NOBODY)
            width = max(width, len(found))
        said = np.zeros((len(records), width, len(records[0].votes)))
        if places:
            said[tuple(np.array(places).T)] = 1.0
        return cls(said, right)

    def __len__(self) -> int:
        return len(self.right)

    @property
    def members(self) -> int:
        return int(self.said.shape[2])

    def rows(self, rows: Any) -> Ballots:
        """Of some questions only."""
        return Ballots(self.said[rows], self.right[rows])

    def among(self, members: Rows) -> Ballots:
        """Of some members only. What none of them named is padding wherever it stands."""
        said = self.said[:, :, members]
        named: Truths = np.asarray(said.any(axis=2))
        known = (self.right >= 0) & named[np.arange(len(self)), self.right]
        return Ballots(said, np.where(known, self.right, NOBODY))

    def accuracies(self) -> Numbers:
        """How often each member was right."""
        known = np.flatnonzero(self.right >= 0)
        found: Numbers = self.said[known, self.right[known]].sum(axis=0) / max(1, len(self))
        return found

    def winners(self, weights: Numbers) -> Rows:
        """The number of the candidate that wins each question, ``NOBODY`` where none of those with a weight said
        anything; ties go to the heaviest single voter, and of those to who comes first, as :func:`votes.tally` does."""
        heard = np.flatnonzero(weights > 0)
        if not len(heard):
            return np.full(len(self), NOBODY, np.intp)
        said, own = self.said[:, :, heard], weights[heard]
        scores = said @ own
        most = scores.max(axis=1, keepdims=True)
        is_leading = scores >= most - _EPSILON * np.maximum(1.0, most)
        heaviest = np.where(is_leading, (said * own).max(axis=2, initial=0.0), -1.0)
        is_leading &= heaviest >= heaviest.max(axis=1, keepdims=True)
        first = np.where(is_leading, said.argmax(axis=2), len(heard))
        found: Rows = np.where(most[:, 0] > 0, first.argmin(axis=1), NOBODY)
        return found

    def hits(self, weights: Numbers) -> Truths:
        """Whether the winner of each question is right."""
        found: Truths = (self.right >= 0) & (self.winners(weights) == self.right)
        return found

    def choices_in_effect(self) -> float:
        """Among how many wrong answers, and the right one, members that do not know seem to choose: by how often two
        that are wrong say the same. At least 2."""
        counts = self.said.sum(axis=2)
        known = np.flatnonzero(self.right >= 0)
        counts[known, self.right[known]] = 0
        wrong = counts.sum(axis=1)
        pairs, same = ((n * (n - 1)).sum() / 2 for n in (wrong, counts))
        return float(1.0 + max(1.0, min(1000.0, (pairs + 1.0) / (same + 1.0))))
