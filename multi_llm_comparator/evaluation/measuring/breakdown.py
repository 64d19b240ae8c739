"""Results by tag, which published tasks have their subjects as: where a model is better, and where it only seems so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from multi_llm_comparator.evaluation.measuring.results import clusters_of, item_values
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.statistics.intervals import Interval, interval
from multi_llm_comparator.evaluation.statistics.multiplicity import holm
from multi_llm_comparator.evaluation.statistics.paired import paired
from multi_llm_comparator.evaluation.statistics.power import ALPHA

# Of very many tags those with the most items are added up.
MAX_TAGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TagDifference:
    """Two subjects (the better one first) that differ in a tag; ``p`` is adjusted for all tags and pairs."""

    better: str
    worse: str
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TagResult:
    """The ``items`` of one tag: each subject's score, None where nothing is scored, and who is better for sure."""

    tag: str
    items: int
    scores: Mapping[str, Interval | None]
    differences: tuple[TagDifference, ...] = ()


def results_by_tag(snapshot: EvaluationSnapshot) -> tuple[TagResult, ...]:
    """One entry for each tag, in the order of the items; none where there are fewer than two tags.

    Differences are paired, and held to Holm's level over all tags and pairs: among twenty subjects of a task one would
    differ by chance. Answers that a judge compared two by two are left out: they have no score of their own.
    """
    numbers = _numbers_by_tag(snapshot)
    if len(numbers) < 2:
        return ()
    values = item_values(snapshot)
    found = [_scores(snapshot, values, tag, some) for tag, some in numbers.items()]
    tested = [
        (place, one.id, other.id, *_test(snapshot, values, some, one.id, other.id))
        for place, some in enumerate(numbers.values())
        for one, other in snapshot.spec.pairs
    ]
    for (place, first, second, difference, _), p in zip(tested, holm([p for *_, p in tested]), strict=True):
        if p < ALPHA:
            better, worse = (first, second) if difference > 0 else (second, first)
            more = TagDifference(better=better, worse=worse, p=p)
            found[place] = replace(found[place], differences=(*found[place].differences, more))
    return tuple(found)


def _numbers_by_tag(snapshot: EvaluationSnapshot) -> dict[str, list[int]]:
    judge = snapshot.spec.judge
    is_dueled = judge is not None and judge.mode == "pairwise"
    numbers: dict[str, list[int]] = defaultdict(list)
    for number, item in enumerate(snapshot.items):
        if not (is_dueled and item.compare == "judged"):
            for tag in item.tags:
                numbers[tag].append(number)
    kept = set(sorted(numbers, key=lambda tag: -len(numbers[tag]))[:MAX_TAGS])
    return {tag: some for tag, some in numbers.items() if tag in kept}


def _scores(
    snapshot: EvaluationSnapshot, values: Mapping[tuple[str, int], float], tag: str, numbers: Sequence[int]
) -> TagResult:
    scores: dict[str, Interval | None] = {}
    for subject in snapshot.spec.subjects:
        known = [number for number in numbers if (subject.id, number) in values]
        scores[subject.id] = interval([values[subject.id, n] for n in known], clusters_of(snapshot, known))
    return TagResult(tag=tag, items=len(numbers), scores=scores)


def _test(
    snapshot: EvaluationSnapshot,
    values: Mapping[tuple[str, int], float],
    numbers: Sequence[int],
    first: str,
    second: str,
) -> tuple[float, float]:
    both = [number for number in numbers if (first, number) in values and (second, number) in values]
    ours, theirs = [values[first, n] for n in both], [values[second, n] for n in both]
    found = paired(ours, theirs, clusters_of(snapshot, both))
    return found.difference, found.p
