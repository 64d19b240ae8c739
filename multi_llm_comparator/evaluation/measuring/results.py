"""What an evaluation found: means with their intervals, differences of each two, and how far a judge is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Literal

from multi_llm_comparator.core.spread import spread_of
from multi_llm_comparator.evaluation.measuring.cells import CellKey, Duel
from multi_llm_comparator.evaluation.measuring.documents import Score
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.statistics.agreement import Agreement, cohens_kappa
from multi_llm_comparator.evaluation.statistics.intervals import Interval, interval
from multi_llm_comparator.evaluation.statistics.multiplicity import holm
from multi_llm_comparator.evaluation.statistics.paired import Paired, paired
from multi_llm_comparator.evaluation.statistics.power import ALPHA, items_needed, smallest_difference

# "better" and "worse" are of the first of the two. "alike": they never differed.
Outcome = Literal["better", "worse", "not_separable", "alike", "nothing"]
# Where the value of an answer came from.
Basis = Literal["score", "judge", "human"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectResult:
    """One subject in one source. ``right`` items have the full score, ``wrong`` less than half of it; ``open`` answers
    have no score yet."""

    subject: str
    source: str
    interval: Interval | None
    right: int
    failed: int
    open: int
    wrong: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """Two subjects in one source. ``p`` is adjusted for all pairs; ``needed`` items would show a difference like that
    which was seen, ``visible`` is the smallest that so many items show."""

    first: str
    second: str
    source: str
    paired: Paired
    p: float
    outcome: Outcome
    needed: int | None
    visible: float | None
    basis: Basis


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectCost:
    """What a subject takes: its own speed (the median of answers asked alone, nothing beside them, with an interval
    from six on), its memory, how long it loads, and what all its answers cost, where that is known."""

    subject: str
    tokens_per_s: float | None
    asked_alone: int
    memory_bytes: int | None
    load_s: float | None
    answer_s: float | None
    cost_usd: float | None = None
    speed_low: float | None = None
    speed_high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTrust:
    """How far a judge can be believed: its agreement with the votes of the person at the keyboard, and how often the
    order decided. ``judged`` verdicts, of which ``failed`` could not be used."""

    agreement: Agreement
    judged: int
    flipped: int
    failed: int

    @property
    def flip_rate(self) -> float | None:
        return self.flipped / self.judged if self.judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """Everything that an evaluation found so far."""

    sources: tuple[str, ...]
    subjects: tuple[SubjectResult, ...]
    verdicts: tuple[PairVerdict, ...]
    costs: tuple[SubjectCost, ...]
    front: frozenset[str]
    trust: JudgeTrust | None

    def of(self, source: str) -> tuple[SubjectResult, ...]:
        return tuple(result for result in self.subjects if result.source == source)


def results_of(snapshot: EvaluationSnapshot) -> Results:
    """Add up a snapshot; takes some milliseconds for each thousand answers, and longer for the first use of scipy."""
    values = item_values(snapshot)
    subjects, verdicts = [], list[PairVerdict]()
    for source in snapshot.sources:
        subjects += [_subject_result(snapshot, values, s.id, source) for s in snapshot.spec.subjects]
        verdicts += _verdicts(snapshot, values, source)
    costs = tuple(_cost(snapshot, subject.id) for subject in snapshot.spec.subjects)
    return Results(
        sources=snapshot.sources,
        subjects=tuple(subjects),
        verdicts=tuple(verdicts),
        costs=costs,
        front=pareto_front(subjects, costs, snapshot.sources[:1]),
        trust=judge_trust(snapshot),
    )


def scores_of(snapshot: EvaluationSnapshot) -> list[Score]:
    """What is kept of a run's results in its document."""
    values = item_values(snapshot)
    found = []
    for source in snapshot.sources:
        for subject in snapshot.spec.subjects:
            one = _subject_result(snapshot, values, subject.id, source).interval
            if one is not None:
                found.append(
                    Score(
                        subject=subject.id,
                        target=subject.target,
                        source=source,
                        mean=one.mean,
                        low=one.low,
                        high=one.high,
                        n=one.n,
                    )
                )
    return found


def item_values(snapshot: EvaluationSnapshot) -> dict[tuple[str, int], float]:
    """By subject and item: the mean over its repeats of what counts; without those that nobody scored."""
    found: dict[tuple[str, int], list[float]] = {}
    for key, cell in snapshot.cells.items():
        # Where answers are judged against each other, a person's scores tell how good the judge is.
        if (value := cell.value) is not None and not _is_dueled(snapshot, key.item):
            found.setdefault((key.subject, key.item), []).append(value)
    for duel in snapshot.duels.values():
        if (value := duel.value) is not None:
            # What a judge said of two answers stands for what it says of each.
            found.setdefault((duel.first, duel.item), []).append(value)
            found.setdefault((duel.second, duel.item), []).append(1 - value)
    return {key: fmean(values) for key, values in found.items()}


def _subject_result(
    snapshot: EvaluationSnapshot, values: Mapping[tuple[str, int], float], subject: str, source: str
) -> SubjectResult:
    numbers = [n for n, item in enumerate(snapshot.items) if item.source == source]
    known = [n for n in numbers if (subject, n) in values]
    cells = [
        snapshot.cells.get(CellKey(n, subject, repeat)) for n in numbers for repeat in range(snapshot.spec.repeats)
    ]
    return SubjectResult(
        subject=subject,
        source=source,
        interval=interval([values[subject, n] for n in known], clusters_of(snapshot, known)),
        right=sum(values[subject, n] == 1 for n in known),
        wrong=sum(values[subject, n] < 0.5 for n in known),
        failed=sum(cell is not None and cell.state == "failed" for cell in cells),
        open=len(numbers) - len(known),
    )


def clusters_of(snapshot: EvaluationSnapshot, numbers: Sequence[int]) -> list[str] | None:
    """What each item belongs to; None where each stands alone."""
    named = [snapshot.items[n].cluster for n in numbers]
    if not any(named):
        return None
    return [f"{snapshot.items[n].task}/{name}" if name else f"#{n}" for n, name in zip(numbers, named, strict=True)]


def _verdicts(snapshot: EvaluationSnapshot, values: Mapping[tuple[str, int], float], source: str) -> list[PairVerdict]:
    pairs = [(one.id, other.id) for one, other in snapshot.spec.pairs]
    compared = [_paired(snapshot, values, source, one, other) for one, other in pairs]
    adjusted = holm([found.p for found in compared])
    return [
        _verdict(snapshot, source, pair, found, p, len(pairs))
        for pair, found, p in zip(pairs, compared, adjusted, strict=True)
    ]


def _paired(
    snapshot: EvaluationSnapshot, values: Mapping[tuple[str, int], float], source: str, first: str, second: str
) -> Paired:
    duels = _duel_values(snapshot, first, second)
    numbers, ours, theirs = [], [], []
    for number, item in enumerate(snapshot.items):
        if item.source != source:
            continue
        if number in duels:
            ours.append(duels[number])
            theirs.append(1 - duels[number])
        elif not _is_dueled(snapshot, number) and (first, number) in values and (second, number) in values:
            ours.append(values[first, number])
            theirs.append(values[second, number])
        else:
            continue
        numbers.append(number)
    return paired(ours, theirs, clusters_of(snapshot, numbers))


def _duel_values(snapshot: EvaluationSnapshot, first: str, second: str) -> dict[int, float]:
    """By item, the mean outcome of these two against each other, for the first."""
    found: dict[int, list[float]] = {}
    for duel in snapshot.duels.values():
        if (duel.first, duel.second) == (first, second) and duel.value is not None:
            found.setdefault(duel.item, []).append(duel.value)
    return {item: fmean(values) for item, values in found.items()}


def _is_dueled(snapshot: EvaluationSnapshot, number: int) -> bool:
    judge = snapshot.spec.judge
    return judge is not None and judge.mode == "pairwise" and snapshot.items[number].compare == "judged"


def _verdict(
    snapshot: EvaluationSnapshot, source: str, pair: tuple[str, str], found: Paired, p: float, comparisons: int
) -> PairVerdict:
    outcome: Outcome = "not_separable"
    if found.n == 0:
        outcome = "nothing"
    elif found.first_only + found.second_only == 0:
        outcome = "alike"
    elif p < ALPHA:
        outcome = "better" if found.difference > 0 else "worse"
    return PairVerdict(
        first=pair[0],
        second=pair[1],
        source=source,
        paired=found,
        p=p,
        outcome=outcome,
        needed=items_needed(found.difference, found.spread, comparisons=comparisons) if outcome != "nothing" else None,
        visible=smallest_difference(found.n, found.discordance or 1 / max(1, found.n), comparisons=comparisons),
        basis=_basis(snapshot, source),
    )


def _basis(snapshot: EvaluationSnapshot, source: str) -> Basis:
    """Where most values of a source came from that a person should know of: a judge's word counts as such."""
    if any(item.source == source and item.compare == "judged" for item in snapshot.items):
        return "judge" if snapshot.spec.judge is not None else "human"
    return "score"


def _cost(snapshot: EvaluationSnapshot, subject: str) -> SubjectCost:
    cells = [cell for key, cell in snapshot.cells.items() if key.subject == subject and cell.state == "done"]
    alone = [cell.tokens_per_s for cell in cells if cell.is_alone and cell.tokens_per_s and cell.load_s is None]
    speed = spread_of(alone)
    sure = speed if speed is not None and speed.is_interval else None
    return SubjectCost(
        subject=subject,
        tokens_per_s=speed.median if speed else None,
        asked_alone=len(alone),
        speed_low=sure.low if sure else None,
        speed_high=sure.high if sure else None,
        memory_bytes=max((cell.memory_bytes for cell in cells if cell.memory_bytes), default=None),
        load_s=max((cell.load_s for cell in cells if cell.load_s), default=None),
        answer_s=median(durations) if (durations := [c.duration_s for c in cells if c.duration_s]) else None,
        cost_usd=sum(prices) if (prices := [c.cost_usd for c in cells if c.cost_usd is not None]) else None,
    )


def pareto_front(
    results: Sequence[SubjectResult], costs: Sequence[SubjectCost], sources: Sequence[str]
) -> frozenset[str]:
    """The subjects that no other beats in quality, speed and memory at once; those without a figure are not in it."""
    quality = {r.subject: r.interval.mean for r in results if r.source in sources and r.interval is not None}
    points = {
        cost.subject: (quality[cost.subject], cost.tokens_per_s, -cost.memory_bytes)
        for cost in costs
        if cost.subject in quality and cost.tokens_per_s is not None and cost.memory_bytes is not None
    }
    return frozenset(
        subject
        for subject, point in points.items()
        if not any(
            other != point and all(theirs >= ours for theirs, ours in zip(other, point, strict=True))
            for other in points.values()
        )
    )


def judge_trust(snapshot: EvaluationSnapshot) -> JudgeTrust | None:
    """How a judge agrees with the person; None where nobody judges."""
    if snapshot.spec.judge is None:
        return None
    if snapshot.spec.judge.mode == "pairwise":
        return _trust_in_duels(snapshot)
    judged = [cell for cell in snapshot.cells.values() if cell.judgement is not None]
    both = [
        (_is_right(cell.judgement.value), _is_right(cell.human))
        for cell in judged
        if cell.judgement and cell.judgement.value is not None and cell.human is not None
    ]
    usable = [cell.judgement for cell in judged if cell.judgement and cell.judgement.value is not None]
    return JudgeTrust(
        agreement=cohens_kappa([judge for judge, _ in both], [person for _, person in both]),
        judged=len(usable),
        flipped=sum(judgement.flipped for judgement in usable),
        failed=len(judged) - len(usable),
    )


def _trust_in_duels(snapshot: EvaluationSnapshot) -> JudgeTrust:
    usable = [duel for duel in snapshot.duels.values() if duel.value is not None]
    pairs = [(duel.value, vote) for duel in usable if (vote := vote_on(snapshot, duel)) is not None]
    return JudgeTrust(
        agreement=cohens_kappa([judge for judge, _ in pairs], [person for _, person in pairs]),
        judged=len(usable),
        flipped=sum(duel.flipped for duel in usable),
        failed=len(snapshot.duels) - len(usable),
    )


def vote_on(snapshot: EvaluationSnapshot, duel: Duel) -> float | None:
    """What the person's scores say of two answers: 1 the first is better, 0 the second, 0.5 neither; None without."""
    first = snapshot.cells.get(CellKey(duel.item, duel.first, duel.repeat))
    second = snapshot.cells.get(CellKey(duel.item, duel.second, duel.repeat))
    if first is None or second is None or first.human is None or second.human is None:
        return None
    return 0.5 if first.human == second.human else float(first.human > second.human)


def _is_right(value: float | None) -> bool:
    return value is not None and value >= 0.5
