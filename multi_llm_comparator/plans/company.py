"""What is at work beside a step, and how much of its speed the step loses to that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Literal

# A step reads its prompt, up to the first token of its answer, and then writes the rest of it. It waits for as long as
# one that came before it still reads on the same model, and may be read itself meanwhile: endpoints do, engines do not.
Phase = Literal["waiting", "reading", "writing", "planning"]
# What is at work: how many steps of a target are in a phase. A planner is as good as one.
Busy = Counter[tuple[str, Phase]]
_KINDS: tuple[Phase, ...] = ("reading", "writing", "planning")
# However many there are, a step keeps this much of its speed: what is seen of a few says little of many.
LEAST_SPEED = 0.1


@dataclass(frozen=True, slots=True)
class Company:
    """What there is beside a step, each between 0 for none and 2 for very many; 1 is one.

    On the same model: whether others are ``reading`` their prompts, which for a step that reads itself are those before
    it; one lets all wait as well as many. Those that are ``writing``, the planner among them: with ``n`` in a batch of
    one engine, speed falls to ``1 / (1 + n)`` at worst. Other models, by the most that they do: with steps that read
    (``others_reading``), that write, or with a planner.
    """

    reading: float = 0.0
    writing: float = 0.0
    others_reading: float = 0.0
    others_writing: float = 0.0
    planning: float = 0.0

    @classmethod
    def of(cls, target: str, phase: Phase, busy: Busy) -> Company:
        """Of a step that is in a phase itself; ``busy`` counts it as well."""
        there = {kind: {name for (name, what), n in busy.items() if what == kind and n > 0 and name} for kind in _KINDS}
        reads, writes = there["reading"], there["writing"] - there["reading"]
        plans = there["planning"] - reads - writes
        writing = busy[target, "writing"] + busy[target, "planning"] - (phase == "writing")
        return cls(
            float(phase == "waiting" or (phase == "writing" and target in reads)),
            _crowd(writing),
            _crowd(len(reads - {target})),
            _crowd(len(writes - {target})),
            _crowd(len(plans - {target})),
        )


def _crowd(n: int) -> float:
    return 2 * n / (1 + n)


@dataclass(frozen=True, slots=True)
class Slowdown:
    """The share of its speed that a step loses to each part of its :class:`Company`."""

    reading: float = 0.0
    writing: float = 0.0
    others_reading: float = 0.0
    others_writing: float = 0.0
    planning: float = 0.0

    def lost_s(self, beside: Sequence[float]) -> float:
        """Seconds that were lost, when each part of the company was there for so many."""
        return float(sum(share * there for share, there in zip(astuple(self), beside, strict=True)))

    def stretch(self, company: Company) -> float:
        """How many times as long a step takes in this company."""
        return 1.0 / max(LEAST_SPEED, 1.0 - self.lost_s(astuple(company)))
