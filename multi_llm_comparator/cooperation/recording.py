"""What is saved of a cooperation: the run, and each call as an item of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multi_llm_comparator.cooperation.documents import call_item, run_record
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

if TYPE_CHECKING:
    from multi_llm_comparator.cooperation.run import CooperationRun


class RecordedCooperation:
    """Tells the recorder what to write. A run that another process took over cannot be written, and fails."""

    def __init__(self, run: CooperationRun) -> None:
        self._run = run

    def run_record(self) -> RunRecord:
        return run_record(self._run)

    def item_record(self, key: str) -> ItemRecord:
        return call_item(self._run.id, self._run.calls[key], list(self._run.calls).index(key))

    def note_save_error(self, message: str | None) -> None:
        """A run whose answers cannot be written down fails, and says so itself."""

    def branch(self) -> None:
        return None
