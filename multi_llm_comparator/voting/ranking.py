"""What votes say of those who answered: strengths by Bradley and Terry with ties, and how sure they are.

Bradley and Terry 1952 (Biometrika 39:324) in the form of Davidson 1970 (J. Am. Stat. Assoc. 65:317) for ties: with
strengths ``s`` and a tendency to ties ``v`` the chances of "first better", "second better" and "tie" are as
``exp(d/2) : exp(-d/2) : v``, where ``d`` is the difference of the two strengths. Intervals are percentiles of a
bootstrap over votes (Efron 1979). Style as a covariate is what LMArena calls style control.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# With 200 the ends of an interval are so uncertain themselves that it covers 93% instead of 95%.
REPLICATES = 1000
LEVEL = 0.95
# So far from the average, in log-odds, strengths are rarely found; it keeps them finite where somebody won everything.
PRIOR_SD = 4.0
TIES_SD = 3.0
MAX_STEPS, MAX_STEP, PRECISION = 60, 2.0, 1e-9
# 400 points are odds of 10 to 1, as in chess.
POINTS_PER_LOG_ODDS, MIDDLE_POINTS = 400 / math.log(10), 1000.0
STYLE_NAMES = ("length", "markup")
Verdict = Literal["better", "worse", "undecided", "unconnected"]
_MARKUP = re.compile(r"^\s{0,3}(?:#{1,6}\s|[-*+]\s|\d{1,3}[.)]\s)|\*\*[^*\n]+\*\*|^[ \t]*```", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Style:
    """What an answer looks like, whatever it says: log of its length in characters, log of its headings, list items,
    bold words and fences."""

    length: float
    markup: float


def style_of(text: str) -> Style:
    return Style(math.log1p(len(text)), math.log1p(len(_MARKUP.findall(text))))


@dataclass(frozen=True, slots=True)
class Vote:
    """One vote: who was ``shown`` (two or more, each once), and who was ``best``; None is a tie, also one between bad
    answers (``is_bad``). ``styles`` are those of the answers, in the order of ``shown``, where they are wanted."""

    shown: tuple[str, ...]
    best: str | None
    is_bad: bool = False
    styles: tuple[Style, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one contestant stands.

    ``strength`` is in log-odds over the average of its ``part``; ``low`` and ``high`` are the bounds of the 95%
    interval. ``is_open_above``: nothing bounds it upwards, because it never lost or tied against others that it is
    better than; ``is_open_below`` likewise. Contestants of different parts never met, not even by way of others.
    ``best_rank`` and ``worst_rank`` are the ranks (from 1) that cannot be ruled out.
    """

    id: str
    strength: float
    low: float
    high: float
    wins: int
    losses: int
    ties: int
    bad: int
    is_open_above: bool = False
    is_open_below: bool = False
    part: int = 0
    best_rank: int = 1
    worst_rank: int = 1

    @property
    def compared(self) -> int:
        """How often it stood against another."""
        return self.wins + self.losses + self.ties

    @property
    def points(self) -> float:
        return points(self.strength)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """The best first. ``tie_odds`` is Davidson's tendency to ties: how likely one is between equals is
    ``tie_odds / (2 + tie_odds)``. ``style_effects`` are log-odds for one standard deviation more of length and markup;
    empty where style was not taken into account."""

    standings: tuple[Standing, ...]
    votes: int
    ties: int
    bad: int
    tie_odds: float
    parts: int
    is_separated: bool
    style_effects: tuple[float, ...] = ()

    def standing(self, contestant: str) -> Standing:
        return next(one for one in self.standings if one.id == contestant)

    def verdict(self, first: str, second: str) -> Verdict:
        """Whether the first is better than the second: undecided while their intervals overlap."""
        return _verdict(self.standing(first), self.standing(second))


def points(strength: float) -> float:
    """A strength as chess players know it: 1000 is the average, 400 more are odds of 10 to 1."""
    return MIDDLE_POINTS + POINTS_PER_LOG_ODDS * strength


def _verdict(one: Standing, other: Standing) -> Verdict:
    if one.part != other.part:
        return "unconnected"
    if one.low > other.high:
        return "better"
    return "worse" if one.high < other.low else "undecided"


def rank(votes: Sequence[Vote], *, with_style: bool = False, replicates: int = REPLICATES, seed: int = 0) -> Ranking:
    """Rank all who were shown.

    Args:
        votes: in any order.
        with_style: take out what length and markup alone would explain; every vote must have styles then.
        replicates: of the bootstrap.
        seed: of the bootstrap: the same votes give the same ranking.
    """
    import numpy as np

    names = sorted({name for vote in votes for name in vote.shown})
    ties = sum(vote.best is None for vote in votes)
    bad = sum(vote.is_bad for vote in votes)
    if not votes:
        return Ranking(standings=(), votes=0, ties=0, bad=0, tie_odds=1.0, parts=0, is_separated=False)
    relation = _Relation.of(votes, names)
    rows = _rows(votes, names, with_style=with_style, smooth=relation.is_separated)
    generator = np.random.default_rng(seed)
    total = int(rows.counts.sum())
    drawn = generator.multinomial(total, rows.counts / total, size=replicates).astype(np.float64)
    found = _fit(rows, np.vstack([rows.counts.astype(np.float64), drawn]), len(names))
    low, high = np.quantile(found[1:, : len(names)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    standings = [
        _standing(name, n, votes, float(found[0, n]), (float(low[n]), float(high[n])), relation)
        for n, name in enumerate(names)
    ]
    effects = tuple(float(effect) for effect in found[0, len(names) : -1])
    return Ranking(
        standings=_ranked(standings),
        votes=len(votes),
        ties=ties,
        bad=bad,
        tie_odds=float(np.exp(found[0, -1])),
        parts=len(set(relation.parts)),
        is_separated=relation.is_separated,
        style_effects=effects,
    )


def _standing(
    name: str, n: int, votes: Sequence[Vote], strength: float, bounds: tuple[float, float], relation: _Relation
) -> Standing:
    mine = [vote for vote in votes if name in vote.shown]
    others = [len(vote.shown) - 1 for vote in mine]
    return Standing(
        id=name,
        strength=strength,
        low=min(bounds[0], strength),
        high=max(bounds[1], strength),
        wins=sum(count for vote, count in zip(mine, others, strict=True) if vote.best == name),
        losses=sum(vote.best is not None and vote.best != name for vote in mine),
        ties=sum(count for vote, count in zip(mine, others, strict=True) if vote.best is None),
        bad=sum(vote.is_bad for vote in mine),
        is_open_above=relation.is_open_above(n),
        is_open_below=relation.is_open_below(n),
        part=relation.parts[n],
    )


def _ranked(standings: Iterable[Standing]) -> tuple[Standing, ...]:
    """The best first, each with the ranks that its interval leaves open."""
    from dataclasses import replace

    ordered = sorted(standings, key=lambda one: (-one.strength, one.id))
    ranked = []
    for one in ordered:
        verdicts = Counter(_verdict(one, other) for other in ordered if other is not one)
        ranked.append(replace(one, best_rank=1 + verdicts["worse"], worst_rank=len(ordered) - verdicts["better"]))
    return tuple(ranked)


# --- who met whom ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Relation:
    """Who beat or tied whom, by way of others too. Strengths are bounded where this goes both ways (Ford 1957)."""

    reaches: tuple[tuple[bool, ...], ...]
    parts: tuple[int, ...]

    @classmethod
    def of(cls, votes: Sequence[Vote], names: Sequence[str]) -> _Relation:
        place = {name: n for n, name in enumerate(names)}
        reach = [[one == other for other in names] for one in names]
        for first, second, outcome in (found for vote in votes for found in _comparisons(vote)):
            a, b = place[first], place[second]
            reach[a][b] |= outcome >= 0
            reach[b][a] |= outcome <= 0
        for middle in range(len(names)):
            for one in range(len(names)):
                if reach[one][middle]:
                    reach[one] = [had or has for had, has in zip(reach[one], reach[middle], strict=True)]
        return cls(tuple(map(tuple, reach)), cls._parted(votes, place))

    @staticmethod
    def _parted(votes: Sequence[Vote], place: dict[str, int]) -> tuple[int, ...]:
        part = list(range(len(place)))
        for vote in votes:
            met = {part[place[name]] for name in vote.shown}
            part = [min(met) if one in met else one for one in part]
        numbers = {one: n for n, one in enumerate(dict.fromkeys(part))}
        return tuple(numbers[one] for one in part)

    @property
    def is_separated(self) -> bool:
        return any(self.is_open_above(n) or self.is_open_below(n) for n in range(len(self.parts)))

    def is_open_above(self, n: int) -> bool:
        return any(self.reaches[n][other] and not self.reaches[other][n] for other in range(len(self.parts)))

    def is_open_below(self, n: int) -> bool:
        return any(self.reaches[other][n] and not self.reaches[n][other] for other in range(len(self.parts)))


def _comparisons(vote: Vote) -> list[tuple[str, str, int]]:
    """Pairs that a vote compares, with 1 where the first is better and 0 for a tie. The best of four beats three."""
    if vote.best is None:
        return [(one, other, 0) for one, other in combinations(vote.shown, 2)]
    return [(vote.best, other, 1) for other in vote.shown if other != vote.best]


# --- the fit --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rows:
    """``x``: one row for each comparison; ``outcome`` 1 or 0 for its first; ``of`` is the kind of vote that it belongs
    to, which occurred ``counts`` times."""

    x: Floats
    outcome: Floats
    of: NDArray[np.intp]
    counts: NDArray[np.int64]


def _rows(votes: Sequence[Vote], names: Sequence[str], *, with_style: bool, smooth: bool) -> _Rows:
    import numpy as np

    place = {name: n for n, name in enumerate(names)}
    # Votes that say the same are one row with a count; with styles each is its own.
    kinds: dict[object, list[tuple[str, str, int]]] = {}
    counts: Counter[object] = Counter()
    styles: list[tuple[float, ...]] = []
    for number, vote in enumerate(votes):
        key: object = number if with_style else (frozenset(vote.shown), vote.best)
        if key not in kinds:
            kinds[key] = _comparisons(vote)
            if with_style:
                styles += _style_differences(vote, kinds[key])
        counts[key] += 1
    if smooth:
        # Where somebody won everything resampling would never show a loss: each pair that met gets one vote each way.
        for one, other in sorted({tuple(sorted(found[:2])) for some in list(kinds.values()) for found in some}):
            for best, rest in ((one, other), (other, one)):
                key = ("smooth", best, rest)
                kinds[key], counts[key] = [(best, rest, 1)], 1
                styles += [(0.0,) * len(STYLE_NAMES)] if with_style else []
    found = [(n, *one) for n, some in enumerate(kinds.values()) for one in some]
    x = np.zeros((len(found), len(names)))
    for row, (_, first, second, _) in enumerate(found):
        x[row, place[first]], x[row, place[second]] = 1.0, -1.0
    if with_style:
        differences = np.array(styles)
        spread = differences.std(axis=0)
        x = np.hstack([x, differences / np.where(spread > 0, spread, 1.0)])
    return _Rows(
        x=x,
        outcome=np.array([float(one[3]) for one in found]),
        of=np.array([one[0] for one in found], dtype=np.intp),
        counts=np.array([counts[key] for key in kinds], dtype=np.int64),
    )


def _style_differences(vote: Vote, comparisons: Iterable[tuple[str, str, int]]) -> list[tuple[float, ...]]:
    style = dict(zip(vote.shown, vote.styles, strict=True))
    return [
        (style[one].length - style[other].length, style[one].markup - style[other].markup)
        for one, other, _ in comparisons
    ]


def _fit(rows: _Rows, counts: Floats, contestants: int) -> Floats:
    """The parameters that fit best, for each row of ``counts`` (replicates x kinds of vote), by Newton's method.

    Returns:
        replicates x (strengths, style effects, log of the tendency to ties). Strengths of a part add up to zero: the
        prior sees to it.
    """
    import numpy as np

    weight = counts[:, rows.of]
    replicates, width = len(counts), rows.x.shape[1]
    squares = (rows.x[:, :, None] * rows.x[:, None, :]).reshape(len(rows.x), width * width)
    prior = np.append(np.full(width, PRIOR_SD**-2), TIES_SD**-2)
    # Style effects are small numbers of standard deviations; the prior of strengths suits them too.
    assert contestants <= width
    tie = (rows.outcome == 0).astype(np.float64)
    theta = np.zeros((replicates, width + 1))
    for _ in range(MAX_STEPS):
        half = theta[:, :width] @ rows.x.T / 2
        first, second, ties = np.exp(half), np.exp(-half), np.exp(theta[:, -1:])
        total = first + second + ties
        lead, drawn = (first - second) / total, ties / total
        gradient = np.empty_like(theta)
        gradient[:, :width] = (weight * (rows.outcome - lead) / 2) @ rows.x
        gradient[:, -1] = (weight * (tie - drawn)).sum(axis=1)
        gradient -= prior * theta
        curvature = np.empty((replicates, width + 1, width + 1))
        own = weight * (1 - drawn - lead**2) / 4
        curvature[:, :width, :width] = (own @ squares).reshape(replicates, width, width)
        mixed = -(weight * lead * drawn / 2) @ rows.x
        curvature[:, :width, -1] = curvature[:, -1, :width] = mixed
        curvature[:, -1, -1] = (weight * drawn * (1 - drawn)).sum(axis=1)
        curvature += np.diag(prior)
        step = np.linalg.solve(curvature, gradient[:, :, None])[:, :, 0]
        longest = np.abs(step).max(axis=1, keepdims=True)
        theta += step * np.minimum(1.0, MAX_STEP / np.maximum(longest, PRECISION))
        if float(longest.max()) < PRECISION:
            break
    return theta
