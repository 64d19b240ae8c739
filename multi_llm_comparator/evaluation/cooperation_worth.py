"""What a cooperation was worth, as measured: evaluations in which it stood beside its members as a subject."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from multi_llm_comparator.cooperation.documents import KIND as COOPERATION
from multi_llm_comparator.cooperation.documents import CooperationDocument
from multi_llm_comparator.cooperation.normalising import ballot_of
from multi_llm_comparator.cooperation.spec import PREFIX
from multi_llm_comparator.cooperation.weighting import Record, weights_from
from multi_llm_comparator.core.callers import OPEN, acting_for
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.documents import KIND as EVALUATION
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.results import item_values
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.statistics.paired import Paired, paired
from multi_llm_comparator.tracking.records import RunFilter

# So many of the latest evaluations are looked through.
MAX_LOOKED_AT = 30
MIN_RECORDS = 10
_RIGHT = "\N{CHECK MARK}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """What a mode came to beside its members, on the same ``n`` items.

    ``gain`` is its mean score minus that of the best single member, 0 to 1, with an interval; ``tokens_ratio`` and
    ``time_ratio`` are what its answers took for each token and second of that member's, None where not known.
    """

    run_id: str
    title: str
    created_at: float
    n: int
    score: float
    best_member: str
    best_score: float
    gain: Paired
    tokens_ratio: float | None
    time_ratio: float | None


class Worths:
    """Reads them from the stored evaluations.

    Args:
        evaluations: has them.
        canonical: one name for a model that has several: its id.
    """

    def __init__(
        self, evaluations: EvaluationRegistry, canonical: Callable[[str], str] = lambda target: target
    ) -> None:
        self._evaluations, self._canonical = evaluations, canonical

    async def of(self, name: str, members: Sequence[str]) -> Worth | None:
        """What ``cooperate:NAME`` with exactly these members was worth in the latest evaluation that tells it; None
        where none does."""
        wanted = {self._canonical(member) for member in members}
        for snapshot in await self._latest(f"{PREFIX}{name}"):
            if not wanted <= self._subjects(snapshot).keys() or not await self._had(snapshot, name, wanted):
                continue
            found = await asyncio.to_thread(self._measured, snapshot, f"{PREFIX}{name}", wanted)
            if found is not None:
                return found
        return None

    async def weights(self, targets: Sequence[str]) -> Mapping[str, float]:
        """What the members' votes should count, by the latest evaluation that asked all of them; empty where none did
        with enough items."""
        # Whoever measured it: a number for each model tells nothing of what was asked.
        with acting_for(OPEN):
            return await self._weights(targets)

    async def _weights(self, targets: Sequence[str]) -> Mapping[str, float]:
        wanted = [self._canonical(target) for target in targets]
        if len(set(wanted)) < 2:
            return {}
        for snapshot in await self._latest(*targets, *wanted):
            subjects = self._subjects(snapshot)
            if all(target in subjects for target in wanted):
                records = _records(snapshot, [subjects[target] for target in wanted])
                if len(records) >= MIN_RECORDS:
                    found = await asyncio.to_thread(weights_from, records)
                    return dict(zip(targets, found.weights, strict=True))
        return {}

    async def _latest(self, *targets: str) -> list[EvaluationSnapshot]:
        runs = self._evaluations.runs
        ids: dict[str, float] = {}
        for target in dict.fromkeys(targets):
            for summary in await runs.list(RunFilter(kind=EVALUATION, model=target), MAX_LOOKED_AT):
                ids[summary.id] = summary.created_at
        latest = sorted(ids, key=lambda run_id: -ids[run_id])[:MAX_LOOKED_AT]
        return [(await self._evaluations.get(run_id)).snapshot() for run_id in latest]

    def _subjects(self, snapshot: EvaluationSnapshot) -> dict[str, str]:
        """The ids of subjects by their targets."""
        return {self._canonical(subject.target): subject.id for subject in snapshot.spec.subjects}

    async def _had(self, snapshot: EvaluationSnapshot, name: str, members: set[str]) -> bool:
        """Whether the cooperation had these members when it was measured: its runs of that time say so."""
        until = snapshot.ended_at
        at = RunFilter(kind=COOPERATION, model=f"{PREFIX}{name}", made_after=snapshot.created_at, made_before=until)
        runs = self._evaluations.runs
        for summary in await runs.list(at, 1):
            spec = CooperationDocument.read(await asyncio.to_thread(runs.store.load_run, summary.id)).spec
            return {self._canonical(member.target) for member in spec.members} == members
        return False

    def _measured(self, snapshot: EvaluationSnapshot, target: str, members: set[str]) -> Worth | None:
        values, subjects = item_values(snapshot), self._subjects(snapshot)
        ours = subjects[target]
        ids = [subjects[member] for member in members]
        items = [n for n in range(len(snapshot.items)) if all((one, n) in values for one in (ours, *ids))]
        if not items:
            return None
        means = {one: fmean(values[one, n] for n in items) for one in (ours, *ids)}
        best = max(ids, key=lambda one: means[one])
        return Worth(
            run_id=snapshot.id,
            title=snapshot.title,
            created_at=snapshot.created_at,
            n=len(items),
            score=means[ours],
            best_member=snapshot.spec.subject(best).target,
            best_score=means[best],
            gain=paired([values[ours, n] for n in items], [values[best, n] for n in items]),
            tokens_ratio=_ratio(snapshot, ours, best, items, lambda cell: float(cell.tokens)),
            time_ratio=_ratio(snapshot, ours, best, items, lambda cell: cell.duration_s or 0.0),
        )


def _ratio(
    snapshot: EvaluationSnapshot, ours: str, theirs: str, items: Sequence[int], taken: Callable[[Cell], float]
) -> float | None:
    sums = []
    for subject in (ours, theirs):
        cells = [snapshot.cells.get(CellKey(n, subject)) for n in items]
        sums.append(sum(taken(cell) for cell in cells if cell is not None))
    return sums[0] / sums[1] if sums[0] and sums[1] else None


def _records(snapshot: EvaluationSnapshot, subjects: Sequence[str]) -> list[Record]:
    """What each said to each item that all were asked, where it is known whether it was right."""
    records = []
    for n, item in enumerate(snapshot.items):
        cells = [snapshot.cells.get(CellKey(n, subject)) for subject in subjects]
        if all(cell is not None and cell.correct is not None for cell in cells):
            votes = tuple(_vote(cell, item.title) for cell in cells if cell is not None)
            records.append(Record(votes, _RIGHT))
    return records


def _vote(cell: Cell, question: str) -> str | None:
    if cell.correct:
        return _RIGHT
    ballot = ballot_of(cell.extracted or cell.text, question)
    return ballot.value if ballot else None
