"""What can be wrong with a plan. A PlanError says what a planner asked again needs to hear."""

from __future__ import annotations

from multi_llm_comparator.core.exceptions import PlanError


class EmptyPlanError(PlanError):
    """No step in it, or no plan at all."""


class MalformedPlanError(PlanError):
    """Not XML, and not repairable with certainty."""


class ForbiddenMarkupError(PlanError):
    """A document type or an entity: never needed in a plan, and refused before anything reads it."""


class UnknownElementError(PlanError):
    """An element that is neither the plan nor a step: what was meant by it would be lost."""


class SecondPlanError(PlanError):
    """More steps after the plan's end: which of the two plans counts is anybody's guess."""


class TruncatedPlanError(PlanError):
    """The text ends before the plan does."""


class PlanTooLargeError(PlanError):
    """More text, steps or depth than the bound."""


class MissingAttributeError(PlanError):
    """A step without an id or a task."""


class BadAttributeError(PlanError):
    """A difficulty or token budget that is no number in its range."""


class DuplicateStepError(PlanError):
    """Two different steps with one id."""


class UnknownDependencyError(PlanError):
    """A step that needs one which is not in the plan."""


class CycleError(PlanError):
    """Steps that wait for each other."""
