"""How much each member's vote should count, from recorded answers to questions whose right answers are known.

Mixing weaker models often loses to the best of them, so a vote has to show that it does not. Many ways to weigh are
tried on held-out parts of the records: votes of all members, or of the best few; every vote alike, by the log-odds of
the members' accuracies (the best weights for members that err independently: Nitzan and Paroush 1982), or fitted so
that the right answer gets the most, which sees that members err together; and each of these with the best member's vote
raised, so that only the more agreement overrules it. The way is taken whose gain over the best member alone is the
surest; where no gain is sure, the best member answers alone (:mod:`cooperation.weight_search`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.cooperation.votes import Vote, tally

Scheme = Literal["best", "equal", "log_odds", "fitted"]
# A member that was always right, or never, in a few questions is not believed to be so.
_PRIOR = 1.0
_CHOICES = 4.0


@dataclass(frozen=True, slots=True)
class Record:
    """A question that all members answered: what each voted for (None: nothing that counts), and what is right."""

    votes: tuple[str | None, ...]
    right: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighting:
    """Weights by member, 0 or more.

    Attributes:
        scheme: how they were found; ``heard`` of the members, the best ones, have a say.
        lead: how far the best member's vote is raised: 0 not at all, 1 until all others together could not overrule it.
        right: how often this way was right on parts of the ``n`` records that its weights were not made from.
        best_right: how often the best member alone was, found in the same way.
    """

    weights: tuple[float, ...]
    scheme: Scheme
    heard: int
    lead: float
    right: float
    best_right: float
    n: int


def log_odds(accuracy: float, n: int, choices: float = _CHOICES) -> float:
    """The weight of a member by how often it was right in ``n`` questions: 0 for one that is no better than chance.

    Args:
        accuracy: 0 to 1.
        n: shrinks it towards chance where there were few questions.
        choices: as many answers are as likely when one does not know: with many, two that agree are rarely both wrong.
    """
    chance = 1.0 / choices
    p = (accuracy * n + 2 * _PRIOR * chance) / (n + 2 * _PRIOR)
    return max(0.0, math.log(p * (choices - 1.0) / (1.0 - p)))


def accuracies(records: Sequence[Record]) -> list[float]:
    """How often each member was right."""
    members = len(records[0].votes) if records else 0
    return [sum(r.votes[m] == r.right for r in records) / len(records) for m in range(members)]


def weights_from(records: Sequence[Record]) -> Weighting:
    """The weights whose gain over the best member alone is the surest on held-out parts of the records.

    Args:
        records: all of the same members, in the same order.

    Raises:
        ValueError: no records, or of differing members.
    """
    if not records or len({len(r.votes) for r in records}) != 1 or not records[0].votes:
        raise ValueError("weights need recorded answers of the same members to at least one question")
    # numpy and scipy come with the first weights.
    from multi_llm_comparator.cooperation.weight_search import surest

    return surest(records)


def winner(votes: Sequence[str | None], weights: Sequence[float]) -> str | None:
    """What these votes come to. Members of weight 0 are not heard."""
    return tally([Vote(str(m), v, w) for m, (v, w) in enumerate(zip(votes, weights, strict=True)) if w > 0]).winner
