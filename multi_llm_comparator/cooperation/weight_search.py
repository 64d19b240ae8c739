"""Looking for the weights of votes whose gain over the best member alone is the surest.

Each way to weigh is judged by cross-validation: its weights come from four fifths of the records, and are scored on
the other fifth. What counts is not the gain but how much of it is sure: gain less twice its standard error, which for
two on the same questions is the root of the number of questions on which exactly one of them is right (McNemar 1947).
A way that overrules the best member seldom, and then rightly, is surer than one that does so often for a little more.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from multi_llm_comparator.cooperation.ballot_arrays import Ballots, Numbers, Rows, Truths
from multi_llm_comparator.cooperation.weighting import Record, Scheme, Weighting, log_odds

FOLDS = 5
# Decides what is in which fifth: the same records, the same weights.
SEED = 1
# Fewer recorded questions say too little to fit a weight for each member.
MIN_FITTED = 40
# So many of the best members are heard, beside all of them.
HEARD = (3, 5, 8)
# How far the best member's vote is raised.
LEADS = (0.0, 0.25, 0.5, 0.75)
# In standard errors: a gain that is not larger could be chance, since the best of many ways is looked for.
SURELY = 2.0
_RIDGE = 2.0


@dataclass(frozen=True, slots=True)
class Way:
    """One way to weigh: see :class:`cooperation.weighting.Weighting`."""

    scheme: Scheme
    heard: int
    lead: float = 0.0


ALONE = Way("best", 1)


def surest(records: Sequence[Record]) -> Weighting:
    """What :func:`cooperation.weighting.weights_from` returns."""
    ballots = Ballots.of(records)
    hits = _held_out_hits(ballots)
    gains = {way: sure_gain(found, hits[ALONE]) for way, found in hits.items()}
    chosen = max(gains, key=lambda way: gains[way])
    if not gains[chosen] > 0:
        chosen = ALONE
    weights = _raised(_weights(ballots, chosen.scheme, chosen.heard), ballots, chosen.lead)
    return Weighting(
        weights=tuple(map(float, weights)),
        scheme=chosen.scheme,
        heard=chosen.heard,
        lead=chosen.lead,
        right=float(hits[chosen].mean()),
        best_right=float(hits[ALONE].mean()),
        n=len(records),
    )


def sure_gain(ours: Truths, theirs: Truths) -> float:
    """In questions: how many more were right, less what could be chance. 0 where they never differ."""
    gained, lost = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return gained - lost - SURELY * math.sqrt(gained + lost)


def _held_out_hits(ballots: Ballots) -> dict[Way, Truths]:
    """Whether each way was right, question by question, with weights that were made without it."""
    order = list(range(len(ballots)))
    random.Random(SEED).shuffle(order)
    folds = min(FOLDS, len(order))
    hits: dict[Way, Truths] = {}
    for fold in range(folds):
        held = np.array(order[fold::folds])
        # Of a single record there is no other part.
        rest = np.setdiff1d(np.arange(len(order)), held) if folds > 1 else held
        made_from, scored = ballots.rows(rest), ballots.rows(held)
        for way, weights in _ways(made_from, len(ballots)):
            found = hits.setdefault(way, np.zeros(len(ballots), np.bool_))
            found[held] = scored.hits(weights)
    return hits


def _ways(ballots: Ballots, n: int) -> Iterator[tuple[Way, Numbers]]:
    """All ways with their weights, the best member alone first. With two members nobody can be outvoted, but by weight.

    Args:
        ballots: what weights are made from.
        n: how many records there are in all.
    """
    yield ALONE, _weights(ballots, "best", 1)
    members = ballots.members
    schemes: tuple[Scheme, ...] = ("equal", "log_odds", "fitted") if n >= MIN_FITTED else ("equal", "log_odds")
    for heard in [*(size for size in HEARD if size < members), members]:
        for scheme in schemes:
            weights = _weights(ballots, scheme, heard)
            for lead in LEADS:
                yield Way(scheme, heard, lead), _raised(weights, ballots, lead)


def _best_first(ballots: Ballots) -> tuple[Rows, Numbers]:
    known = ballots.accuracies()
    order: Rows = np.argsort(-known, kind="stable")
    return order, known


def _weights(ballots: Ballots, scheme: Scheme, heard: int) -> Numbers:
    order, known = _best_first(ballots)
    who, weights = order[:heard], np.zeros(ballots.members)
    if scheme == "log_odds":
        choices = ballots.choices_in_effect()
        weights[who] = [log_odds(float(known[m]), len(ballots), choices) for m in who]
    elif scheme == "fitted":
        weights[who] = fitted(ballots.among(who))
    else:
        weights[who] = 1.0
    if not weights.any():
        weights[who] = 1.0
    return weights


def _raised(weights: Numbers, ballots: Ballots, lead: float) -> Numbers:
    """With the best member's weight so far on the way to that of all others together."""
    best = int(_best_first(ballots)[0][0])
    raised = weights.copy()
    raised[best] += lead * max(0.0, float(weights.sum() - 2 * weights[best]))
    return raised


def fitted(ballots: Ballots) -> Numbers:
    """A conditional logit (McFadden 1974): the chance of an answer grows with the weights of who gave it. With a ridge,
    and weights from 0 on. Questions in which nobody named the right answer, or nobody anything else, tell nothing."""
    from scipy.optimize import minimize

    named: Truths = np.asarray(ballots.said.any(axis=2))
    telling = np.flatnonzero((ballots.right >= 0) & (named.sum(axis=1) > 1))
    members = ballots.members
    if not len(telling):
        return np.ones(members)
    said, right = ballots.said[telling], ballots.right[telling]
    at, unnamed = np.arange(len(telling)), ~named[telling]
    flat, said_right = said.reshape(-1, members), said[at, right].sum(axis=0)

    def loss(w: Numbers) -> tuple[float, Numbers]:
        scores = said @ w
        # A candidate that nobody named is padding.
        scores[unnamed] = -np.inf
        top = scores.max(axis=1)
        shares = np.exp(scores - top[:, None])
        total = shares.sum(axis=1)
        shares /= total[:, None]
        value = float((top + np.log(total) - scores[at, right]).sum() + _RIDGE / 2 * w @ w)
        return value, shares.ravel() @ flat - said_right + _RIDGE * w

    found = minimize(loss, np.full(members, 0.5), jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * members)
    return np.where(found.x > 1e-6, found.x, 0.0)
