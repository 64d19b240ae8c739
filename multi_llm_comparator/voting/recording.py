"""What is saved of a session of votes: the run, and each turn as an item of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from multi_llm_comparator.tracking.records import ItemRecord, RunRecord
from multi_llm_comparator.voting.documents import run_record, turn_item

if TYPE_CHECKING:
    from multi_llm_comparator.voting.vote_run import VoteRun


class RecordedVotes:
    """Tells the recorder what to write. A run that another process took over cannot be written, and fails."""

    def __init__(self, run: VoteRun) -> None:
        self._run = run

    def run_record(self) -> RunRecord:
        return run_record(self._run)

    def item_record(self, key: str) -> ItemRecord:
        return turn_item(self._run.id, self._run.turns[int(key)])

    def note_save_error(self, message: str | None) -> None:
        """A session whose votes cannot be written down fails, and says so itself."""
        self._run.save_error = message

    def branch(self) -> None:
        return None
