"""Where one request goes next. Decides, and does nothing: the order of fallback can be tested without any model."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from multi_llm_comparator.core.exceptions import (
    CircuitOpenError,
    ContextOverflowError,
    MultiLLMError,
    NoModelAvailableError,
    RateLimitedError,
    RequestRefusedError,
)
from multi_llm_comparator.groups.config import GatewaySettings
from multi_llm_comparator.groups.policy import treatment_of
from multi_llm_comparator.groups.targets import FALLBACK_GROUPS, Candidate, Route, Stage

OVERFLOW_RULE = "context_overflow"

Order = Callable[[Stage, Sequence[Candidate]], list[Candidate]]


@dataclass(frozen=True, slots=True)
class Choices:
    """Models that would do equally well now, the preferred one first, and the rule that leads there.

    ``overflow`` are those that would do where none of them has room, each with its own rule.
    """

    rule: str
    candidates: list[Candidate]
    overflow: tuple[tuple[str, Candidate], ...] = ()

    def every(self) -> list[tuple[str, Candidate]]:
        return [*((self.rule, candidate) for candidate in self.candidates), *self.overflow]


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do after a failure, and how long to wait before."""

    kind: Literal["retry", "fall_back", "give_up"]
    delay_s: float = 0.0


class FallbackPlan:
    """The places of one route that are still to be tried.

    Args:
        route: where the request may go.
        order: puts the models of a stage in the order of their pool.
        why_out: why a model gets no requests now, or None.
        context_of: how many tokens fit into a model, or None if nobody knows.
    """

    def __init__(
        self,
        route: Route,
        order: Order,
        why_out: Callable[[str], str | None],
        *,
        settings: GatewaySettings,
        with_images: bool = False,
        context_of: Callable[[Candidate], int | None] = lambda candidate: candidate.declaration.context_length,
    ) -> None:
        self._route, self._order, self._why_out = route, order, why_out
        self._settings = settings
        self._with_images = with_images
        self._context_of = context_of
        self._done: set[str] = set()
        self._bad_providers: set[str] = set()
        self._retries: dict[str, int] = {}
        self._again: Choices | None = None
        self._min_context = 0
        self.attempts = 0

    def choices(self) -> Choices | None:
        """Where to go now; None when no model is left that could take the request now."""
        if self._again is not None:
            return self._again
        if self._min_context:
            longer = [c for c in self._route.longer if self._is_open(c) and self._why_out(c.model) is None]
            if longer:
                return Choices(OVERFLOW_RULE, [min(longer, key=lambda c: self._context_of(c) or 0)])
        found: Choices | None = None
        for stage in self._route.stages:
            left = [c for c in stage.candidates if self._is_open(c, stage) and self._why_out(c.model) is None]
            if not left:
                continue
            ordered = self._order(stage, left)
            if found is None:
                found = Choices(stage.rule, ordered)
            else:
                found = replace(found, overflow=(*found.overflow, *((stage.rule, c) for c in ordered)))
            if not self._route.overflows:
                break
        return found

    def nothing_left(self) -> MultiLLMError:
        """Why :meth:`choices` found nothing."""
        every = {c.model: c for stage in self._route.stages for c in stage.candidates}
        reasons = {model: self._why_out(model) for model, c in every.items() if self._is_open(c)}
        if reasons:
            said = "; ".join(f"{model!r}: {reason}" for model, reason in reasons.items())
            return CircuitOpenError(f"every model behind {self._route.target!r} is out of service: {said}")
        if self._with_images and not any(map(self._may_see, every.values())):
            return RequestRefusedError(f"no model behind {self._route.target!r} has the tag 'vision' and takes images")
        return NoModelAvailableError(f"no model behind {self._route.target!r} is left to try")

    def waiting_for(self) -> list[str]:
        """Models that could take the request but for being out now."""
        every = (c for stage in self._route.stages for c in stage.candidates if self._is_open(c, stage))
        return [c.model for c in every if self._why_out(c.model) is not None]

    def after(
        self, candidate: Candidate, error: MultiLLMError, *, left_s: float = math.inf, spent_s: float = 0.0
    ) -> Decision:
        """Take a failure into account that came after ``spent_s``, with ``left_s`` until the request's deadline."""
        self._again = None
        treatment = treatment_of(error)
        asked_s = (error.retry_after_s or 0.0) if isinstance(error, RateLimitedError) else 0.0
        if self.attempts >= self._settings.max_attempts:
            return Decision("give_up")
        if treatment.retry and asked_s <= self._settings.retry_after_max_s and self._may_retry(candidate):
            delay_s = asked_s or self._back_off_s(candidate)
            # Failing once more in the same way must leave time for whoever else there is.
            needed_s = delay_s + (spent_s if self.choices_exist(besides=candidate.model) else 0.0)
            if needed_s < left_s:
                self._again = Choices("retry", [candidate])
                return Decision("retry", delay_s)
        self._done.add(candidate.model)
        if treatment.whole_provider and candidate.declaration.is_remote:
            self._bad_providers.add(candidate.declaration.provider)
        if isinstance(error, ContextOverflowError):
            # A model of unknown length may hold less still; one that is known to hold more is worth a try.
            self._min_context = max(self._min_context, (self._context_of(candidate) or 0) + 1)
        if treatment.fall_back and left_s > 0 and self.choices_exist():
            return Decision("fall_back")
        return Decision("give_up")

    def choices_exist(self, besides: str = "") -> bool:
        """As :meth:`choices`, without taking anybody's turn: whether there are any, the model ``besides`` aside."""
        every: list[tuple[Candidate, Stage | None]] = []
        every += [(c, stage) for stage in self._route.stages for c in stage.candidates]
        every += [(c, None) for c in self._route.longer] if self._min_context else []
        return any(
            c.model != besides and self._is_open(c, stage) and self._why_out(c.model) is None for c, stage in every
        )

    def _may_retry(self, candidate: Candidate) -> bool:
        used = self._retries.get(candidate.model, 0)
        self._retries[candidate.model] = used + 1
        return used < candidate.max_retries and self._why_out(candidate.model) is None

    def _back_off_s(self, candidate: Candidate) -> float:
        """Twice as long for each retry of this model, up to the maximum, and a random half of it, so that requests
        that failed together do not come back together."""
        settings = self._settings
        wait_s = settings.retry_wait_s * 2.0 ** (self._retries[candidate.model] - 1)
        return random.uniform(0.5, 1.0) * min(wait_s, settings.retry_wait_max_s)

    def _may_see(self, candidate: Candidate) -> bool:
        """Of a local model that is asked by its own name the engine knows better than any tag."""
        return self._route.is_plain or "vision" in candidate.declaration.tags

    def _is_open(self, candidate: Candidate, stage: Stage | None = None) -> bool:
        declaration = candidate.declaration
        if candidate.model in self._done or (self._with_images and not self._may_see(candidate)):
            return False
        if self._min_context and (self._context_of(candidate) or 0) < self._min_context:
            return False
        by_provider = self._route.by_provider and stage is not None and stage.rule != FALLBACK_GROUPS
        return not (by_provider and declaration.is_remote and declaration.provider in self._bad_providers)
