"""Evaluations as a kind of run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey, Duel
from multi_llm_comparator.evaluation.measuring.documents import KIND, EvaluationDocument, Score, read_item
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.materials import Material, OpenTasks
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.stored import take_life
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import new_run_id
from multi_llm_comparator.tracking.records import ItemRecord, RunFilter, RunRecord

# A history is read from so many of the latest evaluations of a model.
MAX_HISTORY = 50


@dataclass(frozen=True, slots=True)
class Past:
    """What an earlier evaluation found of one model."""

    run_id: str
    title: str
    created_at: float
    score: Score


class EvaluationRegistry(TaskRunKind[EvaluationRun]):
    """Evaluations, as a kind of run: starts them, resumes them, and tells what earlier ones found.

    Args:
        runs: where runs live; this kind is made known to it.
        sources: who answers.
        open_tasks: reads the data of a published task.
        in_flight: how many prompts one subject is asked at a time.
    """

    name, page, exports, run_class = KIND, "measure", export_evaluation, EvaluationRun

    def __init__(self, runs: RunRegistry, sources: Sources, open_tasks: OpenTasks, *, in_flight: int = 4) -> None:
        super().__init__(runs)
        self._sources, self._open_tasks, self._in_flight = sources, open_tasks, in_flight

    async def start(self, spec: EvaluationSpec, *, parent_id: str | None = None) -> EvaluationRun:
        """Ask everything; returns at once with the run at work. Raises NotAllowedError: the caller is no admin."""
        refuse_workspaces("measure models")
        return await self.begun(self._new(spec, new_run_id()), parent_id=parent_id)

    async def keep(
        self, spec: EvaluationSpec, answers: Callable[[Sequence[Material]], Mapping[CellKey, Cell]]
    ) -> EvaluationRun:
        """Store an evaluation whose answers are there already: ``answers`` gives those to the items. Nobody is asked.

        Raises:
            NotAllowedError: the caller is no admin.
            DocumentError, ConfigurationError: the data cannot be read; whatever ``answers`` raises.
            StoreError: it cannot be stored.
        """
        refuse_workspaces("measure models")
        run = self._new(spec, new_run_id())
        run.cells = dict(answers(await run.materials()))
        run.state, run.ended_at = "done", now()
        await run.wind_up()
        await self.recorded(run).save(*map(str, run.cells))
        self.runs.adopt(run)
        return run

    async def history(self, target: str) -> list[Past]:
        """What earlier evaluations found of a model, the latest first."""
        found = []
        for summary in await self.runs.list(RunFilter(kind=KIND, model=target), MAX_HISTORY):
            document = EvaluationDocument.read(await asyncio.to_thread(self.runs.store.load_run, summary.id))
            found += [
                Past(summary.id, summary.title, summary.created_at, score)
                for score in document.scores
                if score.target == target
            ]
        return found

    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> EvaluationRun:
        document = EvaluationDocument.read(record)
        run = self._new(document.spec, record.id)
        take_life(run, document)
        run.digest, run.items, run.scores = document.digest, tuple(document.items), document.scores
        run.learnt, run.divergences = tuple(document.learnt), tuple(document.divergences)
        for item in items:
            match read_item(item):
                case Duel() as duel:
                    run.duels[duel.key] = duel
                case key, cell if cell.state != "running":
                    run.cells[key] = cell
        return run

    def _new(self, spec: EvaluationSpec, run_id: str) -> EvaluationRun:
        return EvaluationRun(self._sources, self._open_tasks, spec, run_id=run_id, in_flight=self._in_flight)
