"""An evaluation at one moment, for readers on any thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey, Duel
from multi_llm_comparator.evaluation.measuring.divergence import Divergence
from multi_llm_comparator.evaluation.measuring.learnt import Learnt
from multi_llm_comparator.evaluation.measuring.materials import ItemFacts
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec
from multi_llm_comparator.runs.snapshot import RunSnapshot

SubjectState = Literal["waiting", "running", "done"]
Phase = Literal["", "reading", "asking", "comparing", "judging"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectProgress:
    """How far one subject is. ``items_per_s`` is that of this sitting, and ``left_s`` follows from it; None: not
    known."""

    subject: str
    state: SubjectState
    done: int
    failed: int
    total: int
    items_per_s: float | None = None
    left_s: float | None = None

    @property
    def share(self) -> float:
        return (self.done + self.failed) / self.total if self.total else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSnapshot(RunSnapshot):
    """Everything of an evaluation. ``running`` are answers that are being written, with their text so far."""

    spec: EvaluationSpec
    items: tuple[ItemFacts, ...]
    cells: Mapping[CellKey, Cell]
    duels: Mapping[str, Duel]
    running: Mapping[CellKey, str]
    progress: tuple[SubjectProgress, ...]
    judged: tuple[int, int] = (0, 0)
    learnt: tuple[Learnt, ...] = ()
    divergences: tuple[Divergence, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """What results are added up by, one's own prompts first."""
        return tuple(dict.fromkeys(item.source for item in self.items))

    @property
    def left_s(self) -> float | None:
        """Until all is asked, as far as it can be told; None while it cannot."""
        known = [p.left_s for p in self.progress if p.state != "done"]
        return None if any(left is None for left in known) else sum(left for left in known if left is not None)

    @property
    def failed(self) -> int:
        return sum(progress.failed for progress in self.progress)

    def cell(self, item: int, subject: str) -> Cell | None:
        return self.cells.get(CellKey(item, subject))
