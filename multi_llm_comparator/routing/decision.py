"""From what a question is and who could answer it to who is asked: a decision that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATE
from multi_llm_comparator.core.exceptions import InvalidParameterError, NoModelAvailableError
from multi_llm_comparator.routing.analysis import Analysis
from multi_llm_comparator.routing.candidates import (
    Candidate,
    Kind,
    relative_cost,
    relative_latency,
    relative_strength,
)
from multi_llm_comparator.routing.rules import VISION, Rules

DecidedBy = Literal["rules", "learnt"]
# How well a candidate fits a task: one said to be good at it, one of whom nothing is said, one good at other things,
# which gets the question where nobody else is there.
FITS, MAY_FIT, FITS_OTHER = 1.0, 0.5, 0.25
OTHER_SHARE = 0.5
# Quality is the fit, as far as the candidate is strong enough for the question; this share is being strong at all.
STRONG_SHARE = 0.1
MAX_ALTERNATIVES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What counts in a choice: ``quality_priority`` 1 looks at quality alone, 0 at cost and latency alone, which
    ``cost`` and ``latency`` weigh against each other."""

    quality_priority: float
    cost: float
    latency: float

    @classmethod
    def of(cls, rules: Rules, **weights: float | None) -> Preference:
        """The rules' own, but for those that are given and not None.

        Raises:
            InvalidParameterError: a name that is none, or a number out of its range.
        """
        usual = {"quality_priority": rules.weights.quality_priority, "cost": rules.weights.cost}
        usual["latency"] = rules.weights.latency
        for name, weight in weights.items():
            if name not in usual:
                raise InvalidParameterError(f"there is no weight {name!r}; there are {', '.join(usual)}")
            if weight is None:
                continue
            most = 1.0 if name == "quality_priority" else 1000.0
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= most:
                raise InvalidParameterError(f"{name} must be between 0 and {most:g}, not {weight!r}")
            usual[name] = float(weight)
        return cls(**usual)


@dataclass(frozen=True, slots=True)
class Alternative:
    """What else there was. ``why_not`` is empty where it was merely not the best."""

    target: str
    kind: Kind
    score: float
    why_not: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingDecision:
    """Who is asked, and why.

    Attributes:
        task_type: the kind of task, by the rules' names.
        complexity: 0 to 1.
        target: the name to ask: a model, a group, or ``cooperate:MODE``.
        kind: which of these it is.
        scores: of everyone who could be asked, the higher the better.
        reasons: sentences, the most important first.
        alternatives: the others, best first: asked in this order where ``target`` fails.
        analysis: what was noticed, as data.
        decided_by: rules, or what was learnt from recorded answers.
        unmet: what the question wants and nobody here has; the answer comes from who is nearest.
        is_cached: the same was decided a moment ago.
    """

    task_type: str
    complexity: float
    target: str
    kind: Kind
    scores: dict[str, float]
    reasons: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    analysis: Analysis
    decided_by: DecidedBy = "rules"
    unmet: tuple[str, ...] = ()
    is_cached: bool = False

    @property
    def strategy(self) -> str:
        """In a word: ``model``, ``group``, or ``cooperate:MODE``."""
        return self.target if self.kind == "mode" else self.kind

    def to_dict(self) -> dict[str, Any]:
        """As plain data for an API."""
        return {
            "task_type": self.task_type,
            "complexity": self.complexity,
            "target": self.target,
            "kind": self.kind,
            "decided_by": self.decided_by,
            "scores": {name: round(score, 4) for name, score in self.scores.items()},
            "reasons": list(self.reasons),
            "unmet": list(self.unmet),
            "alternatives": [
                {"target": one.target, "kind": one.kind, "score": round(one.score, 4), "why_not": one.why_not}
                for one in self.alternatives
            ],
        }


def choose(
    analysis: Analysis,
    candidates: Sequence[Candidate],
    rules: Rules,
    preference: Preference,
    *,
    query: str = "",
    modes: Sequence[str] = (),
) -> RoutingDecision:
    """Choose by rules.

    Args:
        candidates: who is there, in any number; whoever is out is passed over.
        modes: names of the cooperation modes that can be asked.
        query: the question itself, which names a mode or not.

    Raises:
        NoModelAvailableError: nobody can be asked.
    """
    able, unmet = _able(analysis, candidates)
    scores = score_by_rules(analysis, able, rules, preference)
    best = max(able, key=lambda one: (scores[one.name], one.kind == "group"))
    decision = RoutingDecision(
        task_type=analysis.task_type,
        complexity=analysis.complexity,
        target=best.name,
        kind=best.kind,
        scores=dict(sorted(scores.items(), key=lambda one: -one[1])),
        reasons=(*_about(analysis), _about_choice(best, analysis), *unmet),
        alternatives=_alternatives(best.name, candidates, scores),
        analysis=analysis,
        unmet=unmet,
    )
    return with_mode(decision, candidates, rules, preference, query, modes)


def _able(analysis: Analysis, candidates: Sequence[Candidate]) -> tuple[list[Candidate], tuple[str, ...]]:
    """Who can take the question, and what of it nobody can."""
    able = [one for one in candidates if one.out is None]
    if not able:
        why = "; ".join(f"{one.name!r}: {one.out}" for one in candidates[:5]) or "there is no model at all"
        raise NoModelAvailableError(f"nobody can be asked ({why}); fetch a model, or declare an endpoint")
    if analysis.task_type != VISION:
        return able, ()
    if seeing := [one for one in able if one.sees]:
        return seeing, ()
    what = "comes with images" if analysis.has_images else "speaks of an image"
    return able, (f"the question {what}, and no model here sees images: it is answered from its text alone",)


def score_by_rules(
    analysis: Analysis, candidates: Sequence[Candidate], rules: Rules, preference: Preference
) -> dict[str, float]:
    """How good a choice each is, 0 to 1, by name."""
    strength, cost = relative_strength(candidates), relative_cost(candidates)
    latency, weight = relative_latency(candidates), preference.cost + preference.latency
    scores = {}
    for one in candidates:
        able = 1 - max(0.0, analysis.complexity - strength[one.name])
        fits = _fit(one, analysis.task_type) * able
        quality = (1 - STRONG_SHARE) * fits + STRONG_SHARE * strength[one.name]
        spent = preference.cost * cost[one.name] + preference.latency * latency[one.name]
        thrift = 1 - spent / weight if weight else 1.0
        score = preference.quality_priority * quality + (1 - preference.quality_priority) * thrift
        scores[one.name] = score if _fit(one, analysis.task_type) > FITS_OTHER else OTHER_SHARE * score
    return scores


def _fit(candidate: Candidate, task: str) -> float:
    if task in candidate.tasks:
        return FITS
    return FITS_OTHER if candidate.tasks else MAY_FIT


def with_mode(
    decision: RoutingDecision,
    candidates: Sequence[Candidate],
    rules: Rules,
    preference: Preference,
    query: str,
    modes: Sequence[str],
) -> RoutingDecision:
    """The decision with several models in place of one, where the question is for several."""
    wanted = rules.cooperation
    # Who cares less for quality has several models asked for harder questions only.
    least = wanted.min_complexity + max(0.0, 0.5 - preference.quality_priority)
    if decision.task_type not in wanted.tasks or decision.complexity < least:
        return decision
    mode, words = wanted.mode_for(query)
    said = f"a complex question of this kind is for several models together (from {least:.2f} on)"
    models = [one for one in candidates if one.kind == "model" and one.out is None]
    if mode not in modes or len(models) < 2:
        why = "only one model can be asked" if len(models) < 2 else f"the mode {mode!r} is not there"
        unmet = f"{said}, but {why}: {decision.target!r} answers alone"
        return replace(decision, unmet=(*decision.unmet, unmet), reasons=(*decision.reasons, unmet))
    target = f"{COOPERATE}{mode}"
    alone = Alternative(decision.target, decision.kind, decision.scores[decision.target])
    why_mode = f"{mode} because of {_quoted(words)}" if words else f"{mode}, as nothing asks for another way"
    return replace(
        decision,
        target=target,
        kind="mode",
        scores={target: 1.0, **decision.scores},
        reasons=(*decision.reasons[:-1], said, why_mode),
        alternatives=(alone, *decision.alternatives)[:MAX_ALTERNATIVES],
    )


def _alternatives(chosen: str, candidates: Sequence[Candidate], scores: dict[str, float]) -> tuple[Alternative, ...]:
    others = [one for one in candidates if one.name != chosen]
    found = [Alternative(one.name, one.kind, scores.get(one.name, 0.0), _why_not(one, scores)) for one in others]
    return tuple(sorted(found, key=lambda one: (bool(one.why_not), -one.score))[:MAX_ALTERNATIVES])


def _why_not(candidate: Candidate, scores: dict[str, float]) -> str:
    if candidate.out is not None:
        return candidate.out
    return "" if candidate.name in scores else "it does not see images"


def _about(analysis: Analysis) -> tuple[str, ...]:
    words = f": {_quoted(analysis.task_words)}" if analysis.task_words else ""
    if analysis.has_images:
        words = ": it comes with images"
    raised = [f"{signal.name} {signal.weight:+.2f}" for signal in analysis.signals if signal.weight]
    return (
        f"the task is {analysis.task_type}{words}",
        f"its complexity is {analysis.complexity:.2f} ({', '.join(raised)})",
    )


def _about_choice(best: Candidate, analysis: Analysis) -> str:
    if analysis.task_type in best.tasks:
        return f"{best.name!r} is for {analysis.task_type}"
    if best.tasks:
        return f"nobody is said to be for {analysis.task_type}; {best.name!r} is the nearest"
    return f"nothing is said of what {best.name!r} is for; by size and cost it is the best that is there"


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(repr(word) for word in words[:4])
