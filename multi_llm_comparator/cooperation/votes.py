"""Counting weighted votes: who wins, who is tied, and when nobody who has not voted yet can change it.

Pure functions. A vote is for a ballot's value (:mod:`cooperation.normalising`); weights are 0 or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# Sums of weights that differ by less are equal: they were added in different orders.
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Vote:
    """``choice`` None: the voter said nothing that can be counted."""

    voter: str
    choice: str | None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Standing:
    """One choice: the weights of its ``voters``, added up."""

    choice: str
    weight: float
    voters: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """The count. ``standings`` are ordered, the heaviest first; ``void`` voters said nothing that can be counted.

    ``tied`` names the choices that lead together, where more than one does; ``winner`` is then the one with the
    heaviest single voter, and of those the one that was voted for first. None: nobody voted for anything.
    """

    standings: tuple[Standing, ...]
    winner: str | None
    tied: tuple[str, ...]
    void: tuple[str, ...]

    @property
    def total(self) -> float:
        return sum(standing.weight for standing in self.standings)

    @property
    def share(self) -> float:
        """The winner's part of all weight that was cast for something; 0 without votes."""
        return self.standings[0].weight / self.total if self.total > 0 else 0.0


def tally(votes: Sequence[Vote]) -> Tally:
    """Count.

    Raises:
        ValueError: a weight is negative or no number.
    """
    weights: dict[str, float] = {}
    voters: dict[str, list[Vote]] = {}
    for vote in votes:
        _check(vote.weight)
        if vote.choice is not None:
            weights[vote.choice] = weights.get(vote.choice, 0.0) + vote.weight
            voters.setdefault(vote.choice, []).append(vote)
    void = tuple(vote.voter for vote in votes if vote.choice is None)
    if not weights:
        return Tally((), None, (), void)
    most = max(weights.values())
    first = list(weights)
    leading = [choice for choice, weight in weights.items() if weight >= most - _EPSILON * max(1.0, most)]
    winner = max(leading, key=lambda c: (max(v.weight for v in voters[c]), -first.index(c)))
    order = sorted(weights, key=lambda c: (c != winner, -weights[c], first.index(c)))
    standings = tuple(Standing(c, weights[c], tuple(v.voter for v in voters[c])) for c in order)
    return Tally(standings, winner, tuple(leading) if len(leading) > 1 else (), void)


def is_decided(cast: Sequence[Vote], open_weights: Sequence[float]) -> bool:
    """Whether votes of these weights that are still to come can neither change the winner nor tie with it."""
    for weight in open_weights:
        _check(weight)
    found = tally(cast)
    if found.winner is None:
        return not open_weights
    rest = math.fsum(open_weights)
    second = found.standings[1].weight if len(found.standings) > 1 else 0.0
    return rest <= 0 or found.standings[0].weight > second + rest + _EPSILON


def fewest_that_decide(cast: Sequence[Vote], open_weights: Sequence[float]) -> int:
    """How many of the next votes, in their order, are needed at least before anything can be decided: with all of them
    for the same choice as the leader's, the rest could no longer change it. 0 where it is decided."""
    leader = tally(cast).winner
    for asked in range(len(open_weights) + 1):
        supposed = [Vote(f"next {n}", leader or "?", weight) for n, weight in enumerate(open_weights[:asked])]
        if is_decided([*cast, *supposed], open_weights[asked:]):
            return asked
    return len(open_weights)


def chance_of_leader(cast: Sequence[Vote]) -> float:
    """How likely the leader is ahead of the second for good, by the votes so far: the chance that a Beta distribution
    of their (effective) numbers lies above one half (adaptive consistency, arXiv 2305.11860). 0 without votes.

    Takes scipy, so its first call takes some tenths of a second.
    """
    found = tally(cast)
    if found.winner is None or not found.total > 0:
        return 0.0
    from scipy.special import betainc

    mean = found.total / sum(len(standing.voters) for standing in found.standings)
    ahead = found.standings[0].weight / mean
    behind = found.standings[1].weight / mean if len(found.standings) > 1 else 0.0
    return float(1.0 - betainc(ahead + 1.0, behind + 1.0, 0.5))


def _check(weight: float) -> None:
    if not (math.isfinite(weight) and weight >= 0):
        raise ValueError(f"a vote's weight must be 0 or more, not {weight!r}")
