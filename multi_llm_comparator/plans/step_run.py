"""One step while it is solved, and afterwards."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.plan import Step

StepState = Literal["waiting", "ready", "running", "done", "failed", "skipped", "stopped"]
OVER: frozenset[StepState] = frozenset({"done", "failed", "skipped", "stopped"})


@dataclass
class StepAttempt:
    """One try at a step, with the model (or group) that was asked and what was asked of it."""

    target: str
    prompt: str
    progress: AnswerProgress


@dataclass
class StepRun:
    """A step and what became of it. Times are seconds since the epoch; None means not yet, or never.

    ``ready_at`` is when the last answer it needed was there (and stored), ``started_at`` when a worker took it.
    """

    step: Step
    state: StepState = "waiting"
    arrived_at: float = 0.0
    ready_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    attempts: list[StepAttempt] = field(default_factory=list)
    answer: str | None = None
    error: str | None = None

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    @property
    def was_cut(self) -> bool:
        """Whether the answer ended for its budget of tokens: its end may be missing."""
        return self.answer is not None and bool(self.attempts) and self.attempts[-1].progress.finish_reason == "length"

    @property
    def target(self) -> str | None:
        """The model or group asked last."""
        return self.attempts[-1].target if self.attempts else None

    @property
    def queued_s(self) -> float | None:
        """From ready to taken by a worker: what the bound on workers costs."""
        if self.ready_at is None or self.started_at is None:
            return None
        return self.started_at - self.ready_at

    @property
    def duration_s(self) -> float | None:
        if self.started_at is None or self.ended_at is None:
            return None
        return self.ended_at - self.started_at
