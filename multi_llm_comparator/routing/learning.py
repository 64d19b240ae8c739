"""The learnt router in use: learnt from one's own evaluation runs, kept in the home, trusted where it was shown better.

Whatever is imported here brings numpy; scikit-learn comes with the first question that it decides on.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.evaluation.measuring.documents import KIND
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.results import item_values
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.routing import learnt as files
from multi_llm_comparator.routing.curves import Curves, learn_and_judge, thrift
from multi_llm_comparator.routing.decision import Alternative, Preference, RoutingDecision
from multi_llm_comparator.routing.learnt import Predictor
from multi_llm_comparator.routing.outcomes import MAX_MODELS, MAX_QUESTIONS, Numbers, Outcomes
from multi_llm_comparator.routing.rules import Rules
from multi_llm_comparator.tracking.records import RunFilter

logger = logging.getLogger(__name__)
MAX_RUNS = 200


@dataclass(frozen=True)
class LearntRouter:
    """What was learnt, and on which points of its curve it is better than rules and than any single model."""

    predictor: Predictor
    curves: Curves
    version: str

    def chosen(self, query: str, decision: RoutingDecision, preference: Preference) -> RoutingDecision:
        """See :class:`routing.router.Learnt`."""
        verdicts = self.curves.verdicts_around(preference.quality_priority)
        known = [name for name in self.predictor.models if name in decision.scores]
        if not verdicts or not all(one.is_better for one in verdicts) or decision.target not in known:
            return decision
        # What was shown of all the recorded models need not hold of those that are left.
        needed = {name for one in verdicts for name in one.rests_on or self.predictor.models}
        if missing := sorted(needed - set(known)):
            said = f"what was learnt is not used: it was judged with {', '.join(map(repr, missing[:3]))} there"
            return replace(decision, reasons=(*decision.reasons, said))
        columns = [self.predictor.models.index(name) for name in known]
        likely = self.predictor.probabilities([query])[0]
        spent = self.predictor.relative_costs
        weight = thrift(preference.quality_priority)
        worth = {name: float(likely[at] - weight * spent[at]) for name, at in zip(known, columns, strict=True)}
        best = max(worth, key=lambda name: worth[name])
        share = float(likely[self.predictor.models.index(best)])
        said = (
            f"{best!r} answers such questions well in about {share:.0%} of cases, as learnt from "
            f"{self.curves.learnt_from} recorded questions"
        )
        return replace(
            decision,
            target=best,
            kind="model",
            scores={**decision.scores, **worth},
            reasons=(*decision.reasons[:2], said, *decision.unmet),
            alternatives=_others(decision, best, worth),
            decided_by="learnt",
        )


def _others(decision: RoutingDecision, best: str, worth: Mapping[str, float]) -> tuple[Alternative, ...]:
    """What else there was, with what the rules had chosen among it, by what was learnt."""
    others = [
        replace(one, score=worth[one.target]) if one.target in worth else one
        for one in decision.alternatives
        if one.target != best
    ]
    if best != decision.target:
        ruled = next(one for one in decision.alternatives if one.target == best)
        others.append(replace(ruled, target=decision.target, score=worth[decision.target]))
    return tuple(sorted(others, key=lambda one: (bool(one.why_not), -one.score)))


class Learning:
    """Keeps the learnt router of a home.

    Args:
        folder: where its files are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._current: LearntRouter | None = None
        self._stamp: float | None = None
        self.problem: str | None = None

    def current(self) -> LearntRouter | None:
        """The one in use; None where nothing was learnt, or what was cannot be read (``problem`` says why)."""
        path = self._folder / "learnt.json"
        stamp = path.stat().st_mtime if path.is_file() else None
        if stamp != self._stamp:
            self._stamp, self._current, self.problem = stamp, None, None
            try:
                if (found := files.load(self._folder)) is not None:
                    predictor, report, version = found
                    self._current = LearntRouter(predictor, Curves.from_dict(report), version)
            except (DocumentError, KeyError, TypeError) as exc:
                self.problem = str(exc)
                logger.warning("the learnt router is not used: %s", exc)
        return self._current

    async def learn_from(self, evaluations: EvaluationRegistry, rules: Rules) -> LearntRouter:
        """Learn from the stored evaluations, and keep it.

        Raises:
            ConfigurationError: there is too little to learn from.
        """
        snapshots = await finished_evaluations(evaluations)
        return await asyncio.to_thread(self._learn, snapshots, rules)

    def _learn(self, snapshots: list[EvaluationSnapshot], rules: Rules) -> LearntRouter:
        predictor, curves = learn_and_judge(outcomes_of(snapshots), rules)
        files.save(predictor, self._folder, curves.to_dict())
        found = self.current()
        if found is None:
            raise ConfigurationError(f"what was learnt cannot be read again: {self.problem}")
        return found

    def forget(self) -> None:
        """Decide by rules alone from now on."""
        for name in ("learnt.json", "learnt.npz"):
            (self._folder / name).unlink(missing_ok=True)


async def finished_evaluations(evaluations: EvaluationRegistry) -> list[EvaluationSnapshot]:
    """The last ``MAX_RUNS`` evaluations that are over."""
    found = []
    for summary in await evaluations.runs.list(RunFilter(kind=KIND), MAX_RUNS):
        snapshot = (await evaluations.get(summary.id)).snapshot()
        if not snapshot.is_running:
            found.append(snapshot)
    return found


def outcomes_of(snapshots: list[EvaluationSnapshot]) -> Outcomes:
    """Answers of all runs in one table, the questions that are the same in one row; where a model answered one several
    times, the mean counts. Costs are US dollars where all are known and one is above 0, else seconds.

    Raises:
        ConfigurationError: nothing was measured yet.
    """
    values: dict[tuple[str, str], list[float]] = {}
    usd: dict[tuple[str, str], list[float]] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    for snapshot in snapshots:
        targets = {subject.id: subject.target for subject in snapshot.spec.subjects}
        for (subject, number), value in item_values(snapshot).items():
            key = (snapshot.items[number].title, targets[subject])
            values.setdefault(key, []).append(value)
            cell = snapshot.cell(number, subject)
            usd.setdefault(key, []).append(math.nan if cell is None or cell.cost_usd is None else cell.cost_usd)
            seconds.setdefault(key, []).append(math.nan if cell is None else cell.duration_s or math.nan)
    questions = list(dict.fromkeys(question for question, _ in values))[:MAX_QUESTIONS]
    models = sorted({model for _, model in values})[:MAX_MODELS]
    if not questions:
        raise ConfigurationError("nothing was measured yet: evaluate some models on the Measure page first")
    priced = [one for costs in usd.values() for one in costs]
    in_usd = all(map(math.isfinite, priced)) and any(one > 0 for one in priced)
    costs = usd if in_usd else seconds
    table = _table(questions, models, costs)
    # What was not noted counts as the model's mean.
    means = np.nan_to_num(np.nansum(table, axis=0) / np.maximum(1, (~np.isnan(table)).sum(axis=0)))
    table = np.where(np.isnan(table), means, table).clip(0).astype(np.float32)
    return Outcomes(tuple(questions), tuple(models), _table(questions, models, values), table, "USD" if in_usd else "s")


def _table(questions: list[str], models: list[str], found: dict[tuple[str, str], list[float]]) -> Numbers:
    rows, columns = ({name: at for at, name in enumerate(names)} for names in (questions, models))
    table = np.full((len(questions), len(models)), np.nan, np.float32)
    for (question, model), numbers in found.items():
        if question in rows and model in columns:
            table[rows[question], columns[model]] = sum(numbers) / len(numbers)
    return table
