"""A run of one coroutine at one moment: what is the same for every kind."""

from __future__ import annotations

from dataclasses import dataclass

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.tracking.records import ACTIVE, RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """Times are seconds since the epoch. ``owner`` is the process that works on the run, if that is another one."""

    id: str
    title: str
    state: RunState
    phase: str = ""
    version: int
    created_at: float
    ended_at: float | None
    error: str | None
    owner: WorkingProcess | None = None

    @property
    def is_running(self) -> bool:
        return self.state in ACTIVE

    @property
    def is_over(self) -> bool:
        return not self.is_running

    @property
    def stage(self) -> str:
        """What it is doing, in one word."""
        return self.phase or self.state
