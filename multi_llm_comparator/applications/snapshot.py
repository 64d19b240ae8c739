"""A service at one moment, for readers on any thread."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.results import Result
from multi_llm_comparator.applications.so_far import Writing
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.runs.snapshot import RunSnapshot

Phase = Literal["", "reading", "asking"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSnapshot(RunSnapshot):
    """Everything of a service run. ``asked`` of ``expected`` questions are answered; ``left_s`` is None while nobody
    can tell; ``writing`` are the answers on their way, ``answered_by`` the models that did, ``error_types`` the types'
    names of why others did not. Once it is read there is ``data`` with all that was computed of it, or a ``reading`` of
    any other document."""

    spec: ServiceSpec
    reading: Reading | None
    data: Data | None = None
    result: Result | None
    expected: int
    asked: int
    writing: tuple[Writing, ...]
    left_s: float | None
    worked_s: float
    tokens: int
    cost_usd: float | None
    answered_by: tuple[str, ...]
    error_types: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        """How much of the questions is answered, of 1."""
        return min(1.0, self.asked / self.expected) if self.expected else 0.0
