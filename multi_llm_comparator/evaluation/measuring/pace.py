"""How fast an evaluation goes on, and how long it will take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from time import monotonic

from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.snapshot import SubjectProgress
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec


class Pace:
    """Counts what was finished in this sitting; earlier ones went at a speed of their own."""

    def __init__(self, spec: EvaluationSpec) -> None:
        self._spec = spec
        self._began: dict[str, float] = {}
        self._last: dict[str, float] = {}
        self._finished: Counter[str] = Counter()
        self.judged = (0, 0)

    def began(self, subject: str) -> None:
        self._began.setdefault(subject, monotonic())

    def finished(self, subject: str) -> None:
        self._finished[subject] += 1
        self._last[subject] = monotonic()

    def progress(self, cells: Mapping[CellKey, Cell], items: int, *, is_over: bool) -> tuple[SubjectProgress, ...]:
        done = Counter(key.subject for key, cell in cells.items() if cell.state == "done")
        failed = Counter(key.subject for key, cell in cells.items() if cell.state == "failed")
        total = items * self._spec.repeats
        rates = {s.id: rate for s in self._spec.subjects if (rate := self._rate(s.id)) is not None}
        usual = sum(rates.values()) / len(rates) if rates else None
        found = []
        for subject in self._spec.subjects:
            left = total - done[subject.id] - failed[subject.id]
            rate = rates.get(subject.id)
            pace = rate or usual
            is_begun = subject.id in self._began and not is_over
            found.append(
                SubjectProgress(
                    subject=subject.id,
                    state="done" if total and left <= 0 else "running" if is_begun else "waiting",
                    done=done[subject.id],
                    failed=failed[subject.id],
                    total=total,
                    items_per_s=rate,
                    left_s=0.0 if total and left <= 0 else left / pace if pace and total and not is_over else None,
                )
            )
        return tuple(found)

    def _rate(self, subject: str) -> float | None:
        if not self._finished[subject]:
            return None
        span = self._last[subject] - self._began.get(subject, self._last[subject])
        return self._finished[subject] / span if span > 0 else None
