"""What a router is worth: quality against cost on questions that it has not seen, beside what needs no router.

Each point is a choice for every question by "likely quality, less so much for its cost". Beside the curve stand the
single models, one drawn at random for each question, and the oracle, which knows who will be right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from multi_llm_comparator.evaluation.statistics.paired import Paired, paired
from multi_llm_comparator.routing.analysis import analyse
from multi_llm_comparator.routing.candidates import Candidate, size_in_name
from multi_llm_comparator.routing.decision import Preference, score_by_rules
from multi_llm_comparator.routing.learnt import Predictor, learn
from multi_llm_comparator.routing.outcomes import Numbers, Outcomes
from multi_llm_comparator.routing.rules import Rules

# The points of a curve, by quality_priority.
PRIORITIES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
HELD_OUT = 0.4
MIN_HELD_OUT = 30
# A verdict that a chance could give in one of so many cases is none.
LEVEL = 0.95
_SAME = 1e-9
Choices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Point:
    """``quality`` is the mean value, 0 to 1, ``cost`` the mean cost of an answer in the curves' unit. ``name`` is a
    model's where the point is one model."""

    quality: float
    cost: float
    quality_priority: float | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntVerdict:
    """Learnt against others at one ``quality_priority``, by quality less cost, question by question.

    The differences are means with their interval; ``is_better`` where both intervals lie above 0. ``rests_on`` are the
    models that learnt or rules chose, and the best single one: while they are there the comparison holds, whoever else
    is not. Reports of before have none.
    """

    quality_priority: float
    best_single: str
    over_single: float
    over_single_low: float
    over_rules: float
    over_rules_low: float
    is_better: bool
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Everything that was found on the ``n`` held-out questions."""

    unit: str
    n: int
    learnt_from: int
    learnt: tuple[Point, ...]
    rules: tuple[Point, ...]
    oracle: tuple[Point, ...]
    singles: tuple[Point, ...]
    random: Point
    verdicts: tuple[LearntVerdict, ...]

    @property
    def best_single(self) -> Point:
        return max(self.singles, key=lambda point: (point.quality, -point.cost))

    def verdicts_around(self, quality_priority: float) -> tuple[LearntVerdict, ...]:
        """Those of the points on both sides, one where a point is just there; none where nothing was compared, or this
        lies beyond what was."""
        below = [one for one in self.verdicts if one.quality_priority <= quality_priority + _SAME]
        above = [one for one in self.verdicts if one.quality_priority >= quality_priority - _SAME]
        if not below or not above:
            return ()
        last = max(below, key=lambda one: one.quality_priority)
        first = min(above, key=lambda one: one.quality_priority)
        return (last,) if last is first else (last, first)

    def verdict_at(self, quality_priority: float) -> LearntVerdict | None:
        """Of those around the one that is not better, else the nearest; None where there is none."""
        return min(
            self.verdicts_around(quality_priority),
            key=lambda one: (one.is_better, abs(one.quality_priority - quality_priority)),
            default=None,
        )

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Curves:
        """Raises KeyError, TypeError: it is not what :meth:`to_dict` wrote."""
        points: Any = {
            name: tuple(Point(**one) for one in data[name]) for name in ("learnt", "rules", "oracle", "singles")
        }
        verdicts = tuple(
            LearntVerdict(**{**one, "rests_on": tuple(map(str, one.get("rests_on", ())))}) for one in data["verdicts"]
        )
        return cls(
            unit=str(data["unit"]),
            n=int(data["n"]),
            learnt_from=int(data["learnt_from"]),
            **points,
            random=Point(**data["random"]),
            verdicts=verdicts,
        )


def thrift(quality_priority: float) -> float:
    """How much quality the dearest model must bring more than a free one: what the rules' weights come to."""
    return (1 - quality_priority) / max(quality_priority, 1e-6)


def learn_and_judge(outcomes: Outcomes, rules: Rules) -> tuple[Predictor, Curves]:
    """Learn from a part of the questions and judge by the rest.

    Raises:
        ConfigurationError: too little to learn from.
    """
    fitted, held_out = outcomes.split(HELD_OUT, "verdict")
    predictor = learn(fitted)
    return predictor, curves_on(predictor, fitted, held_out.answered_by_all(), rules)


def curves_on(predictor: Predictor, fitted: Outcomes, held_out: Outcomes, rules: Rules) -> Curves:
    """The curves on ``held_out``, of which every model answered every question."""
    spent = _relative(held_out.costs, fitted.mean_costs)
    probabilities = predictor.probabilities(held_out.questions)
    by_rules = rules_choices(held_out.questions, fitted, rules)
    learnt, ruled, oracle, verdicts = [], [], [], []
    for priority in PRIORITIES:
        weight = thrift(priority)
        chosen = (probabilities - weight * predictor.relative_costs).argmax(axis=1)
        rules_chosen = by_rules(priority)
        learnt.append(_point(held_out, chosen, priority))
        ruled.append(_point(held_out, rules_chosen, priority))
        oracle.append(_point(held_out, (held_out.values - weight * spent).argmax(axis=1), priority))
        verdicts.append(_verdict(fitted, held_out, spent, weight, priority, chosen, rules_chosen))
    return Curves(
        unit=held_out.unit,
        n=len(held_out.questions),
        learnt_from=len(fitted.questions),
        learnt=tuple(learnt),
        rules=tuple(ruled),
        oracle=tuple(oracle),
        singles=tuple(
            Point(float(quality), float(cost), name=name)
            for name, quality, cost in zip(held_out.models, held_out.mean_values, held_out.mean_costs, strict=True)
        ),
        random=Point(float(held_out.values.mean()), float(held_out.costs.mean())),
        verdicts=tuple(verdicts) if len(held_out.questions) >= MIN_HELD_OUT else (),
    )


def _relative(costs: Numbers, means: Numbers) -> Numbers:
    most = float(means.max(initial=0.0))
    return costs / most if most > 0 else np.zeros_like(costs)


def _point(outcomes: Outcomes, chosen: Choices, priority: float) -> Point:
    rows = np.arange(len(chosen))
    return Point(float(outcomes.values[rows, chosen].mean()), float(outcomes.costs[rows, chosen].mean()), priority)


def _verdict(
    fitted: Outcomes,
    held_out: Outcomes,
    spent: Numbers,
    weight: float,
    priority: float,
    chosen: Choices,
    rules_chosen: Choices,
) -> LearntVerdict:
    """The best single model is that of the questions that were learnt from: the others are not known before."""
    single = int((fitted.mean_values - weight * _relative(fitted.mean_costs, fitted.mean_costs)).argmax())
    worth = held_out.values - weight * spent
    rows = np.arange(len(chosen))
    ours = worth[rows, chosen].tolist()
    over_single = _compared(ours, worth[:, single].tolist())
    over_rules = _compared(ours, worth[rows, rules_chosen].tolist())
    return LearntVerdict(
        quality_priority=priority,
        best_single=held_out.models[single],
        over_single=over_single.difference,
        over_single_low=over_single.low,
        over_rules=over_rules.difference,
        over_rules_low=over_rules.low,
        is_better=min(over_single.low, over_rules.low) > 0,
        rests_on=tuple(sorted({held_out.models[at] for at in {single, *chosen.tolist(), *rules_chosen.tolist()}})),
    )


def _compared(first: Sequence[float], second: Sequence[float]) -> Paired:
    return paired(first, second, level=LEVEL)


def rules_choices(questions: Sequence[str], fitted: Outcomes, rules: Rules) -> Callable[[float], Choices]:
    """Whom the rules would ask, by quality_priority: they know each model's mean quality, its cost and its size."""
    candidates = [
        Candidate(
            name=name, parameters=size_in_name(name), usd=float(cost), latency_s=float(cost), quality=float(quality)
        )
        for name, quality, cost in zip(fitted.models, fitted.mean_values, fitted.mean_costs, strict=True)
    ]
    analyses = [analyse(question, rules) for question in questions]
    places = {name: number for number, name in enumerate(fitted.models)}

    def choices(priority: float) -> Choices:
        preference = Preference.of(rules, quality_priority=priority)
        known: dict[tuple[str, float], int] = {}
        found = []
        for one in analyses:
            key = (one.task_type, one.complexity)
            if key not in known:
                scores = score_by_rules(one, candidates, rules, preference)
                known[key] = places[max(scores, key=lambda name: scores[name])]
            found.append(known[key])
        return np.array(found, dtype=np.intp)

    return choices
