"""Many questions, several in flight; each outcome is written down the moment it is there, so that a run can go on."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError, StoreError
from multi_llm_comparator.core.reading import open_regular
from multi_llm_comparator.core.work_folder import open_work_folder
from multi_llm_comparator.evaluation.datasets import Question
from multi_llm_comparator.evaluation.outcomes import QuestionOutcome

OUTCOMES_FILE = "outcomes.jsonl"
BEGUN_FILE = "begun.jsonl"
MAX_OUTCOMES_BYTES = 8 * 2**30
# Settings that no outcome depends on: a run may go on with others.
MAY_CHANGE = {"config.query", "config.system.questions_in_flight", "config.system.reports", "config.dataset.limit"}

Solve = Callable[[Question], Awaitable[QuestionOutcome]]


class OutcomeJournal:
    """The outcomes of a data-set run in a folder, one line each, in the order they came.

    Args:
        folder: the run's own; made when absent.
        setup: what the outcomes depend on. A folder that was begun with another one is refused.

    Raises:
        ConfigurationError: the folder holds outcomes of another setup, or something else.
        DocumentError: its outcomes cannot be read.
        RunAtWorkError: another process is at work on it.
    """

    def __init__(self, folder: Path, setup: dict[str, Any]) -> None:
        self.folder = folder
        self.outcomes: dict[str, QuestionOutcome] = {}
        self._path = folder / OUTCOMES_FILE
        open_work_folder(folder, setup, may_change=MAY_CHANGE)
        if self._path.exists():
            self.outcomes = _read_outcomes(self._path)
        self._begun = _read_begun(folder / BEGUN_FILE)

    def run_of(self, question: Question) -> str | None:
        """The id of the run that a question was begun with, if it was."""
        return self._begun.get(question.id)

    def begin(self, question: Question, run_id: str) -> None:
        """Remember which run a question is answered by, so that it can go on if this process ends.

        Raises:
            StoreError: it cannot be written.
        """
        if self._begun.get(question.id) != run_id:
            self._begun[question.id] = run_id
            _append(self.folder / BEGUN_FILE, json.dumps({"id": question.id, "run": run_id}))

    def add(self, outcome: QuestionOutcome) -> None:
        """Write an outcome down; the last one of a question counts.

        Raises:
            StoreError: it cannot be written.
        """
        _append(self._path, outcome.model_dump_json())
        self.outcomes[outcome.id] = outcome


@dataclass(frozen=True)
class DatasetStanding:
    """How far a data-set run is. ``seconds_left`` is None before the first outcome of this sitting.

    ``ended`` has those that failed in this sitting, and ``judged`` too: what was not answered was not answered right.
    """

    total: int
    ended: int
    failed: int
    in_flight: int
    judged: int
    correct: int
    tokens: int
    seconds_left: float | None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers among those whose right answer is known."""
        return self.correct / self.judged if self.judged else None


class DatasetRun:
    """Solves the questions that have no outcome yet, or one that failed.

    Args:
        questions: all of them.
        journal: where outcomes go, and what there is already.
        solve: answers one question; it raises nothing but cancellation.
        in_flight: questions at work at once.
    """

    def __init__(
        self, questions: Sequence[Question], journal: OutcomeJournal, solve: Solve, *, in_flight: int = 4
    ) -> None:
        self._questions = questions
        self._journal = journal
        self._solve = solve
        self._in_flight = in_flight
        self._open = {q.id for q in questions if not self._is_solved(q)}
        self._active = 0
        self._began_at = now()
        self._ended_here = 0

    @property
    def outcomes(self) -> list[QuestionOutcome]:
        """The outcomes so far, in the order of the questions."""
        known = self._journal.outcomes
        return [known[q.id] for q in self._questions if q.id in known and known[q.id].is_of(q)]

    async def run(self, on_change: Callable[[], None] = lambda: None) -> list[QuestionOutcome]:
        """Solve what is open. Cancelled, it leaves what has ended in the journal.

        Raises:
            StoreError: an outcome cannot be written; the other questions are stopped.
        """
        pending = iter([q for q in self._questions if q.id in self._open])

        async def worker() -> None:
            for question in pending:
                self._active += 1
                on_change()
                try:
                    self._journal.add(await self._solve(question))
                    self._open.discard(question.id)
                    self._ended_here += 1
                finally:
                    self._active -= 1
                    on_change()

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._in_flight, len(self._questions))):
                    group.create_task(worker())
        except ExceptionGroup as several:
            # One reason is enough to say, and the others came of it.
            raise several.exceptions[0] from None
        return self.outcomes

    def standing(self) -> DatasetStanding:
        """Where the run is now."""
        ended = [o for o in self.outcomes if o.id not in self._open]
        left = len(self._questions) - len(ended)
        pace = (now() - self._began_at) / self._ended_here if self._ended_here else None
        return DatasetStanding(
            total=len(self._questions),
            ended=len(ended),
            failed=sum(o.state == "failed" for o in ended),
            in_flight=self._active,
            judged=sum(o.correct is not None for o in ended),
            correct=sum(o.correct is True for o in ended),
            tokens=sum(o.metrics.tokens for o in ended if o.metrics),
            seconds_left=pace * left if pace is not None else None,
        )

    def _is_solved(self, question: Question) -> bool:
        outcome = self._journal.outcomes.get(question.id)
        return outcome is not None and outcome.state != "failed" and outcome.is_of(question)


def _append(path: Path, line: str) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError as exc:
        raise StoreError(f"cannot write {str(path)!r}: {exc.strerror}; what is in it stays") from exc


def _read_begun(path: Path) -> dict[str, str]:
    """Run ids by question; a line that cannot be read costs no more than asking that question from its beginning."""
    found: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError), open_regular(path) as file:
        for line in file:
            with contextlib.suppress(ValueError, TypeError, KeyError):
                entry = json.loads(line)
                found[str(entry["id"])] = str(entry["run"])
    return found


def _read_outcomes(path: Path) -> dict[str, QuestionOutcome]:
    if path.stat().st_size > MAX_OUTCOMES_BYTES:
        raise DocumentError(f"{str(path)!r} is larger than {MAX_OUTCOMES_BYTES // 2**20} MiB")
    found: dict[str, QuestionOutcome] = {}
    whole = 0
    with open_regular(path) as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                # The process ended while it wrote this one; the question is asked again.
                break
            try:
                outcome = QuestionOutcome.model_validate_json(line)
            except ValidationError as exc:
                raise DocumentError(f"{str(path)!r}, line {number}, is not an outcome") from exc
            found[outcome.id] = outcome
            whole += len(line)
    if path.stat().st_size != whole:
        os.truncate(path, whole)
    return found
