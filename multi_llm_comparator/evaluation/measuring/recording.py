"""What is saved of an evaluation: the run, and each answer and duel as an item of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey
from multi_llm_comparator.evaluation.measuring.documents import cell_item, duel_item, run_record
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

if TYPE_CHECKING:
    from multi_llm_comparator.evaluation.measuring.run import EvaluationRun


class RecordedEvaluation:
    """Tells the recorder what to write. A run that another process took over cannot be written, and fails."""

    def __init__(self, run: EvaluationRun) -> None:
        self._run = run

    def run_record(self) -> RunRecord:
        return run_record(self._run)

    def item_record(self, key: str) -> ItemRecord:
        run = self._run
        if key in run.duels:
            return duel_item(run.id, run.duels[key])
        cell_key = CellKey.parse(key)
        progress = run.running.get(cell_key)
        if progress is None and cell_key in run.cells:
            return cell_item(run.id, cell_key, run.cells[cell_key])
        text = progress.text if progress else ""
        at = progress.requested_at if progress else run.created_at
        return cell_item(run.id, cell_key, Cell(state="running", text=text, requested_at=at))

    def note_save_error(self, message: str | None) -> None:
        """A run whose answers cannot be written down fails, and says so itself."""

    def branch(self) -> None:
        return None
