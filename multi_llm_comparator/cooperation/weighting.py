"""How much each member's vote should count, from recorded answers to questions whose right answers are known.

Four ways are tried on held-out parts of the records: every vote alike; log-odds of the members' accuracies (the best
weights for members that err independently: Nitzan and Paroush 1982); weights fitted so that the right answer gets the
most (a conditional logit, McFadden 1974, with weights of 0 or more), which sees that members err together; and the best
member alone. Of the first three the fitted weights are taken unless another way is surely better; and the best member
alone is kept unless they are surely better than it. Surely means by more than the standard error of the difference.
Mixing weaker models often loses to the best of them, so a vote has to show that it does not.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from multi_llm_comparator.cooperation.votes import Vote, tally

if TYPE_CHECKING:
    import numpy as np

Scheme = Literal["best", "equal", "log_odds", "fitted"]
FOLDS = 5
# Fewer recorded questions say too little to fit a weight for each member.
MIN_FITTED = 40
# A member that was always right, or never, in a few questions is not believed to be so.
_PRIOR = 1.0
_RIDGE = 2.0
_CHOICES = 4.0


@dataclass(frozen=True, slots=True)
class Record:
    """A question that all members answered: what each voted for (None: nothing that counts), and what is right."""

    votes: tuple[str | None, ...]
    right: str


@dataclass(frozen=True, slots=True)
class Weighting:
    """Weights by member, 0 or more. ``scheme`` is how they were found; ``held_out`` how often each scheme was right on
    parts of the records that its weights were not made from."""

    weights: tuple[float, ...]
    scheme: Scheme
    held_out: Mapping[Scheme, float]
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


def weights_from(records: Sequence[Record], *, seed: int = 1) -> Weighting:
    """The weights that did best on held-out parts of the records.

    Args:
        records: all of the same members, in the same order.
        seed: decides the parts.

    Raises:
        ValueError: no records, or of differing members.
    """
    if not records or len({len(r.votes) for r in records}) != 1 or not records[0].votes:
        raise ValueError("weights need recorded answers of the same members to at least one question")
    schemes: tuple[Scheme, ...] = ("best", "equal", "log_odds")
    if len(records) >= MIN_FITTED:
        schemes = (*schemes, "fitted")
    hits = _held_out_hits(records, schemes, seed)
    chosen: Scheme = max(schemes[1:], key=lambda s: sum(hits[s]))
    # Fitted weights can come to any of the others, and decide votes after fewer calls.
    if "fitted" in schemes and not _is_surely_better(hits[chosen], hits["fitted"]):
        chosen = "fitted"
    if not _is_surely_better(hits[chosen], hits["best"]):
        chosen = "best"
    held_out = {scheme: sum(hits[scheme]) / len(records) for scheme in schemes}
    return Weighting(tuple(_weights(records, chosen)), chosen, held_out, len(records))


def winner(votes: Sequence[str | None], weights: Sequence[float]) -> str | None:
    """What these votes come to. Members of weight 0 are not heard."""
    return tally([Vote(str(m), v, w) for m, (v, w) in enumerate(zip(votes, weights, strict=True)) if w > 0]).winner


def _held_out_hits(records: Sequence[Record], schemes: Sequence[Scheme], seed: int) -> dict[Scheme, list[bool]]:
    order = list(range(len(records)))
    random.Random(seed).shuffle(order)
    folds = min(FOLDS, len(records))
    hits: dict[Scheme, list[bool]] = {scheme: [False] * len(records) for scheme in schemes}
    for fold in range(folds):
        held = order[fold::folds]
        rest = [records[n] for n in order if n not in set(held)] or [records[n] for n in held]
        for scheme in schemes:
            weights = _weights(rest, scheme)
            for n in held:
                hits[scheme][n] = winner(records[n].votes, weights) == records[n].right
    return hits


def _is_surely_better(ours: Sequence[bool], theirs: Sequence[bool]) -> bool:
    """Whether the difference is larger than its standard error."""
    gained = sum(a and not b for a, b in zip(ours, theirs, strict=True))
    lost = sum(b and not a for a, b in zip(ours, theirs, strict=True))
    return gained - lost > math.sqrt(gained + lost)


def _weights(records: Sequence[Record], scheme: Scheme) -> list[float]:
    known = accuracies(records)
    if scheme == "equal":
        return [1.0] * len(known)
    if scheme == "best":
        best = max(range(len(known)), key=lambda m: known[m])
        return [1.0 if m == best else 0.0 for m in range(len(known))]
    if scheme == "fitted":
        return _fitted(records)
    choices = choices_in_effect(records)
    weights = [log_odds(p, len(records), choices) for p in known]
    return weights if any(weights) else [1.0] * len(known)


def choices_in_effect(records: Sequence[Record]) -> float:
    """Among how many wrong answers, and the right one, members that do not know seem to choose: by how often two that
    are wrong say the same. At least 2."""
    same = pairs = 0
    for record in records:
        wrong: dict[str, int] = {}
        for vote in record.votes:
            if vote is not None and vote != record.right:
                wrong[vote] = wrong.get(vote, 0) + 1
        n = sum(wrong.values())
        pairs += n * (n - 1) // 2
        same += sum(k * (k - 1) // 2 for k in wrong.values())
    return 1.0 + max(1.0, min(1000.0, (pairs + 1.0) / (same + 1.0)))


def _fitted(records: Sequence[Record]) -> list[float]:
    """A conditional logit: the chance of an answer grows with the weights of who gave it. Ridge, weights from 0 on."""
    import numpy as np
    from scipy.optimize import minimize

    said = _said(records)
    members = len(records[0].votes)
    start = np.full(members, 0.5)
    if said.shape[0] == 0:
        return [1.0] * members

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        scores = said @ w
        # A candidate that nobody named is padding; the right one stands first.
        scores[:, 1:][~said[:, 1:].any(axis=2)] = -np.inf
        top = scores.max(axis=1, keepdims=True)
        shares = np.exp(scores - top)
        total = shares.sum(axis=1, keepdims=True)
        shares /= total
        value = float((top[:, 0] + np.log(total[:, 0]) - scores[:, 0]).sum() + _RIDGE / 2 * w @ w)
        slope = np.einsum("nc,ncm->m", shares, said) - said[:, 0].sum(axis=0) + _RIDGE * w
        return value, slope

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * members)
    weights = [float(w) if w > 1e-6 else 0.0 for w in found.x]
    return weights if any(weights) else [1.0] * members


def _said(records: Sequence[Record]) -> np.ndarray:
    """By question, candidate and member: 1 where the member named the candidate. The right one is the first; questions
    in which nobody named it, or nobody anything else, tell nothing and are left out."""
    import numpy as np

    rows = []
    for record in records:
        others = list(dict.fromkeys(v for v in record.votes if v is not None and v != record.right))
        if others and record.right in record.votes:
            rows.append((record, [record.right, *others]))
    width = max((len(candidates) for _, candidates in rows), default=1)
    said = np.zeros((len(rows), width, len(records[0].votes)))
    for n, (record, candidates) in enumerate(rows):
        place = {candidate: c for c, candidate in enumerate(candidates)}
        for m, vote in enumerate(record.votes):
            if vote is not None:
                said[n, place[vote], m] = 1.0
    return said
