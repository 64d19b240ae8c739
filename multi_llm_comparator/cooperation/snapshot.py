"""A cooperation at one moment, for readers on any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.outcome import Count, Outcome
from multi_llm_comparator.cooperation.spec import CooperationSpec
from multi_llm_comparator.core.timings import known_sum
from multi_llm_comparator.runs.snapshot import RunSnapshot

Phase = Literal["", "answering", "reviewing", "grouping", "escalating", "integrating"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFigures:
    """What one target took: its calls, tokens, time at work in seconds, and cost in dollars, if known."""

    target: str
    calls: int
    failed: int
    prompt_tokens: int
    tokens: int
    work_s: float
    cost_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CooperationSnapshot(RunSnapshot):
    """Everything of a cooperation. ``calls`` are in the order in which they were made, ``counts`` one for each round
    of votes, growing while it goes on."""

    spec: CooperationSpec
    calls: Mapping[str, Call]
    counts: tuple[Count, ...]
    outcome: Outcome | None

    @property
    def answer(self) -> str | None:
        return None if self.outcome is None else self.outcome.answer

    @property
    def wall_s(self) -> float | None:
        """From the first call to the end, in seconds: a pause before it was resumed counts."""
        return None if self.ended_at is None else self.ended_at - self.created_at

    def figures(self) -> tuple[MemberFigures, ...]:
        """What each target took, in the order in which they were first asked."""
        by_target: dict[str, list[Call]] = {}
        for call in self.calls.values():
            by_target.setdefault(call.target, []).append(call)
        return tuple(_figures(target, calls) for target, calls in by_target.items())

    @property
    def tokens(self) -> int:
        return sum(figures.tokens for figures in self.figures())

    @property
    def prompt_tokens(self) -> int:
        return sum(figures.prompt_tokens for figures in self.figures())

    @property
    def cost_usd(self) -> float | None:
        """The sum of what is known; None where nothing is."""
        return known_sum(figures.cost_usd for figures in self.figures())


def _figures(target: str, calls: list[Call]) -> MemberFigures:
    known = [call.progress for call in calls]
    return MemberFigures(
        target=target,
        calls=len(known),
        failed=sum(progress.state == "failed" for progress in known),
        prompt_tokens=sum(progress.prompt_tokens for progress in known),
        tokens=sum(progress.tokens for progress in known),
        work_s=sum(progress.duration_s or 0.0 for progress in known),
        cost_usd=known_sum(progress.cost_usd for progress in known),
    )
