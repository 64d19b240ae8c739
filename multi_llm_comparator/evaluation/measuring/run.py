"""An evaluation on its way: asked, scored, judged. Outlives the page that started it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.asking_order import AskingOrder
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey, Duel
from multi_llm_comparator.evaluation.measuring.divergence import Divergence, compared_with, divergences_of
from multi_llm_comparator.evaluation.measuring.documents import KIND, EvaluationDocument, Score, cell_item, duel_item
from multi_llm_comparator.evaluation.measuring.human_votes import scores_by_votes
from multi_llm_comparator.evaluation.measuring.judging_phase import JudgingPhase
from multi_llm_comparator.evaluation.measuring.learnt import Learnt, learnt_by
from multi_llm_comparator.evaluation.measuring.materials import (
    ItemFacts,
    Material,
    OpenTasks,
    digest_of,
    open_materials,
)
from multi_llm_comparator.evaluation.measuring.pace import Pace
from multi_llm_comparator.evaluation.measuring.rescoring import rescored
from multi_llm_comparator.evaluation.measuring.results import scores_of
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot, Phase
from multi_llm_comparator.evaluation.measuring.spec import EvaluationSpec
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.runs.stored import life_of, record_of
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord
from multi_llm_comparator.voting.human_preferences import HumanPreference

MAX_TITLE_CHARS = 200


class EvaluationRun(TaskRun[EvaluationSnapshot, Phase]):
    """One evaluation."""

    kind = KIND

    def __init__(
        self, sources: Sources, open_tasks: OpenTasks, spec: EvaluationSpec, *, run_id: str, in_flight: int = 4
    ) -> None:
        self.id, self.spec, self.in_flight = run_id, spec, in_flight
        self.sources, self._open_tasks = sources, open_tasks
        self.created_at = now()
        self.digest = ""
        self.items: tuple[ItemFacts, ...] = ()
        self.cells: dict[CellKey, Cell] = {}
        self.duels: dict[str, Duel] = {}
        self.running: dict[CellKey, AnswerProgress] = {}
        self.pace = Pace(spec)
        # What it found, once it is over.
        self.scores: list[Score] = []
        self.learnt: tuple[Learnt, ...] = ()
        self.divergences: tuple[Divergence, ...] = ()
        self._materials: tuple[Material, ...] | None = None

    @property
    def title(self) -> str:
        """As it was named, else what is asked: the prompt set and the tasks."""
        asked = [*([self.spec.prompts.name] if self.spec.prompts else []), *(task.label for task in self.spec.tasks)]
        return self.spec.title or ", ".join(asked)[:MAX_TITLE_CHARS]

    def figures(self) -> dict[str, float]:
        """The score of each subject in each source, with its interval."""
        found: dict[str, float] = {}
        for score in self.scores:
            name = f"{score.source}/{self.spec.subject(score.subject).name}"
            found |= {name: score.mean, f"{name}/low": score.low, f"{name}/high": score.high}
        for one in self.divergences:
            if not one.error:
                found[f"divergence/{self.spec.subject(one.subject).name}"] = one.mean_kl
        return found

    # --- looking at it ----------------------------------------------------------------------------------------------

    def _as_of(self) -> tuple[object, ...]:
        # The pace is new each time.
        return (*super()._as_of(), None if self.is_over else now())

    def frozen(self) -> EvaluationSnapshot:
        before = self._frozen[1] if self._frozen is not None else None
        # Only what changed is copied: answers of a large run are many.
        same = before is not None and len(before.cells) == len(self.cells) and before.version == self.version
        return EvaluationSnapshot(
            **self.head(),
            spec=self.spec,
            items=self.items,
            cells=before.cells if same and before is not None else dict(self.cells),
            duels=dict(self.duels),
            running={key: progress.text for key, progress in self.running.items()},
            progress=self.pace.progress(self.cells, len(self.items), is_over=self.is_over),
            judged=self.pace.judged,
            learnt=self.learnt,
            divergences=self.divergences,
        )

    # --- its life ---------------------------------------------------------------------------------------------------

    @property
    def is_complete(self) -> bool:
        """Whether every answer is there; those that failed are not."""
        wanted = len(self.items) * len(self.spec.subjects) * self.spec.repeats
        return bool(wanted) and sum(cell.state == "done" for cell in self.cells.values()) == wanted

    async def resume(self) -> None:
        if self.state == "done" and self.is_complete and self._is_compared and not self._judging().todo():
            return
        self.error, self.ended_at = None, None
        self._enter("queued")
        self.begin()

    async def work(self) -> None:
        self._enter("running", "reading")
        materials = await self.materials()
        subjects = self.spec.subjects
        self.learnt = await asyncio.to_thread(learnt_by, subjects, materials, self.sources.known_to)
        self._enter("running", "asking")
        await self.save()
        async with self._answering() as sources:
            await AskingOrder(self, materials, sources).ask_all()
            if not self._is_compared:
                self._enter("running", "comparing")
                self.divergences = await divergences_of(self.spec, sources.scorer, self.cells)
        if (judging := self._judging()).todo():
            self._enter("running", "judging")
            await judging.judge_all()
        is_answered = any(cell.state == "done" for cell in self.cells.values())
        self.error = None if is_answered else self._first_error()

    @contextlib.asynccontextmanager
    async def _answering(self) -> AsyncIterator[Sources]:
        """Who answers: this machine, or the cluster that was named."""
        if self.spec.cluster is None:
            yield self.sources
            return
        if self.sources.spread is None:
            raise ConfigurationError("clusters are not reached from here")
        targets = [subject.target for subject in self.spec.subjects]
        async with self.sources.spread(self.spec.cluster, targets, self.sources) as sources:
            yield sources

    @property
    def _is_compared(self) -> bool:
        """Whether each subject's distance from the reference is there, if there is to be one."""
        known = {one.subject for one in self.divergences if not one.error}
        return known >= {subject.id for subject in compared_with(self.spec)}

    def _judging(self) -> JudgingPhase:
        return JudgingPhase(self)

    def _first_error(self) -> str:
        errors = dict.fromkeys(cell.error for cell in self.cells.values() if cell.error)
        return f"no prompt was answered: {'; '.join(filter(None, list(errors)[:3]))}"

    async def wind_up(self) -> tuple[()]:
        self.running.clear()
        await self._add_up()
        return ()

    async def _add_up(self) -> None:
        self.version += 1
        # In a thread: the first use of scipy takes a second.
        self.scores = await asyncio.to_thread(scores_of, self.snapshot())

    async def materials(self) -> tuple[Material, ...]:
        """The items with their tasks, read when they are first needed.

        Raises:
            DocumentError: the data is not what the run began with.
            ConfigurationError: see :func:`open_materials`.
        """
        if self._materials is None:
            found = await asyncio.to_thread(open_materials, self.spec, self._open_tasks)
            digest = await asyncio.to_thread(digest_of, found)
            if self.digest and digest != self.digest:
                raise DocumentError("the data of this evaluation has changed since it began; start a new one")
            self._materials, self.digest = found, digest
            self.items = tuple(one.facts for one in found)
        return self._materials

    # --- what comes in ----------------------------------------------------------------------------------------------

    def began(self, key: CellKey, progress: AnswerProgress) -> None:
        self.running[key] = progress
        self.pace.began(key.subject)
        self.changed(str(key))

    async def finished(self, *cells: tuple[CellKey, Cell]) -> None:
        """Have answers written down before anything else is asked instead of them.

        Raises:
            StoreError, RunAtWorkError: they cannot be.
        """
        for key, cell in cells:
            self.running.pop(key, None)
            before = self.cells.get(key)
            self.cells[key] = replace(cell, human=before.human) if before and before.human is not None else cell
            self.pace.finished(key.subject)
        self.version += 1
        await self._commit(*(str(key) for key, _ in cells))

    async def judged(self, *duels: Duel, cells: Mapping[CellKey, Cell] | None = None) -> None:
        """Have what a judge said written down. Raises as :meth:`finished`."""
        self.duels |= {duel.key: duel for duel in duels}
        self.cells |= dict(cells or {})
        self.version += 1
        await self._commit(*(duel.key for duel in duels), *map(str, cells or {}))

    async def score_by_hand(self, key: CellKey, value: float | None) -> None:
        """Keep a person's score of an answer, 0 to 1; None takes it back.

        Raises:
            ConfigurationError: there is no such answer, or the score is none.
            RunAtWorkError: another process works on the run.
        """
        self.refuse_elsewhere()
        cell = self.cells.get(key)
        if cell is None or cell.state != "done":
            raise ConfigurationError(f"there is no answer {str(key)!r} to score")
        if value is not None and not 0 <= value <= 1:
            raise ConfigurationError(f"a score is between 0 and 1, not {value!r}")
        self.cells[key] = replace(cell, human=value)
        await self._add_up()
        await self._commit(str(key), run=not self.is_at_work)

    async def take_votes(self, votes: Sequence[HumanPreference]) -> int:
        """Take people's blind votes on these very answers as their scores; how many scores that makes.

        Raises:
            RunAtWorkError: another process works on the run.
        """
        self.refuse_elsewhere()
        found = scores_by_votes(self.snapshot(), votes)
        self.cells |= {key: replace(self.cells[key], human=value) for key, value in found.items()}
        await self._add_up()
        await self._commit(*map(str, found), run=not self.is_at_work)
        return len(found)

    async def rescore(self, prompts: PromptSet | None = None) -> int:
        """Score all answers anew without asking again, by what ``prompts`` expects now; how many scores changed.

        Raises:
            ConfigurationError: the run is at work, or the set asks something else than the run did.
            DocumentError: see :meth:`materials`.
        """
        self.refuse_elsewhere()
        if self.is_at_work:
            raise ConfigurationError("wait until the evaluation ends, or stop it, before its answers are scored anew")
        spec, materials, changed = await rescored(self, prompts)
        if prompts is not None:
            self.spec, self._materials, self.digest = spec, materials, digest_of(materials)
            self.items = tuple(one.facts for one in materials)
        self.cells |= changed
        await self._add_up()
        await self._commit(*map(str, changed), run=True)
        return len(changed)

    # --- what is stored ---------------------------------------------------------------------------------------------

    def run_record(self) -> RunRecord:
        """Its line in lists names the subjects."""
        document = EvaluationDocument(
            spec=self.spec,
            digest=self.digest,
            items=list(self.items),
            scores=self.scores,
            learnt=list(self.learnt),
            divergences=list(self.divergences),
            **life_of(self),
        )
        return record_of(
            self,
            document,
            detail=", ".join(dict.fromkeys(subject.name for subject in self.spec.subjects)),
            models=(subject.target for subject in self.spec.subjects),
            search_text="\n".join(item.title for item in self.items),
        )

    def item_record(self, key: str) -> ItemRecord:
        if key in self.duels:
            return duel_item(self.id, self.duels[key])
        cell_key = CellKey.parse(key)
        progress = self.running.get(cell_key)
        if progress is None and cell_key in self.cells:
            return cell_item(self.id, cell_key, self.cells[cell_key])
        text = progress.text if progress else ""
        at = progress.requested_at if progress else self.created_at
        return cell_item(self.id, cell_key, Cell(state="running", text=text, requested_at=at))
