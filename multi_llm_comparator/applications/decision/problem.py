"""A decision as data: what is to be chosen from, by what, under which requirements, and what came of it."""

from __future__ import annotations

from typing import Literal

from multi_llm_comparator.core.closed_model import ClosedModel

WeightsBy = Literal["given", "text", "order", "equal"]
Evidence = Literal["cost", "model", "words", "none"]
RequirementKind = Literal["budget", "time"]
LOWEST, MIDDLE, HIGHEST = 1.0, 3.0, 5.0


class Money(ClosedModel):
    """An amount; ``per_month`` is None where it is paid once or for an unknown time. ``currency`` is a sign or 元."""

    value: float
    per_month: float | None = None
    currency: str = ""
    text: str = ""


class Option(ClosedModel):
    """``name`` as the text calls it, ``label`` what it is; ``text`` is all that was said of it."""

    name: str
    label: str = ""
    text: str = ""
    cost: Money | None = None
    months: float | None = None
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.name} {self.label}".strip()


class Criterion(ClosedModel):
    """``weight`` is its part of 1."""

    name: str
    weight: float


class Requirement(ClosedModel):
    """Something that an option must not exceed: money (as in ``money``), or months."""

    kind: RequirementKind
    text: str
    money: Money | None = None
    months: float | None = None


class Check(ClosedModel):
    """Whether an option meets a requirement. ``excess`` is the part of the limit by which it does not."""

    option: str
    kind: RequirementKind
    state: Literal["met", "broken", "unknown"]
    value: str = ""
    excess: float = 0.0
    excess_text: str = ""


class Score(ClosedModel):
    """1 (worst) to 5 (best), and what it rests on."""

    option: str
    criterion: str
    value: float
    evidence: Evidence
    quote: str = ""


class Movement(ClosedModel):
    """How far the weight of one criterion may move, the others keeping their proportions, before another option is
    first. ``totals`` are the options' at each of ``weights``; ``others`` are first beyond ``low`` or ``high``."""

    criterion: str
    weight: float
    low: float
    high: float
    others: tuple[str, ...]
    weights: tuple[float, ...]
    totals: dict[str, tuple[float, ...]]


class Problem(ClosedModel):
    """What a text lets one choose from."""

    options: tuple[Option, ...]
    criteria: tuple[Criterion, ...]
    weights_by: WeightsBy
    requirements: tuple[Requirement, ...] = ()
    is_from_model: bool = False


class Decision(ClosedModel):
    """A problem with what came of it. ``totals`` by the options' names; ``winner`` is None if all are excluded."""

    problem: Problem
    checks: tuple[Check, ...]
    scores: tuple[Score, ...]
    totals: dict[str, float]
    excluded: tuple[str, ...]
    winner: str | None
    runner_up: str | None = None
    closest: str = ""
    movements: tuple[Movement, ...] = ()

    def option(self, name: str) -> Option:
        return next(option for option in self.problem.options if option.name == name)
