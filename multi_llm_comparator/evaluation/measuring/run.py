"""An evaluation on its way: asked, scored, judged. Outlives the page that started it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    DocumentError,
    MultiLLMError,
    RunAtWorkError,
    StoreError,
)
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey, Duel
from multi_llm_comparator.evaluation.measuring.divergence import Divergence, compared_with, divergences_of
from multi_llm_comparator.evaluation.measuring.documents import KIND, Score
from multi_llm_comparator.evaluation.measuring.human_votes import scores_by_votes
from multi_llm_comparator.evaluation.measuring.judging_phase import JudgingPhase
from multi_llm_comparator.evaluation.measuring.lanes import Lanes
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
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ACTIVE, RunState
from multi_llm_comparator.voting.human_preferences import HumanPreference

MAX_TITLE_CHARS = 200

log = logging.getLogger(__name__)


class EvaluationRun(TaskRun):
    """One evaluation. Everything here is written on the event loop that it works on; snapshots are for anybody."""

    kind = KIND
    id: str = ""
    state: RunState = "queued"
    phase: Phase = ""
    version: int = 0

    def __init__(
        self, sources: Sources, open_tasks: OpenTasks, spec: EvaluationSpec, *, run_id: str, in_flight: int = 4
    ) -> None:
        self.id, self.spec, self.in_flight = run_id, spec, in_flight
        self.sources, self._open_tasks = sources, open_tasks
        self.created_at = now()
        self.ended_at: float | None = None
        self.error: str | None = None
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
        self._taken: EvaluationSnapshot | None = None

    @property
    def title(self) -> str:
        """As it was named, else what is asked: the prompt set and the tasks."""
        asked = [*([self.spec.prompts.name] if self.spec.prompts else []), *(task.name for task in self.spec.tasks)]
        return self.spec.title or ", ".join(asked)[:MAX_TITLE_CHARS]

    @property
    def is_over(self) -> bool:
        return self.state not in ACTIVE

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

    def snapshot(self) -> EvaluationSnapshot:
        return self.taken(self._taken_now)

    def _taken_now(self) -> EvaluationSnapshot:
        taken = self._taken
        if taken is None or taken.version != self.version or taken.owner != self.owner or not self.is_over:
            # Only what changed is copied: answers of a large run are many.
            same = taken is not None and len(taken.cells) == len(self.cells) and taken.version == self.version
            self._taken = EvaluationSnapshot(
                id=self.id,
                title=self.title,
                state=self.state,
                phase=self.phase,
                version=self.version,
                created_at=self.created_at,
                ended_at=self.ended_at,
                error=self.error,
                spec=self.spec,
                items=self.items,
                cells=taken.cells if same and taken is not None else dict(self.cells),
                duels=dict(self.duels),
                running={key: progress.text for key, progress in self.running.items()},
                progress=self.pace.progress(self.cells, len(self.items), is_over=self.is_over),
                judged=self.pace.judged,
                owner=self.owner,
                learnt=self.learnt,
                divergences=self.divergences,
            )
        assert self._taken is not None
        return self._taken

    # --- its life ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Ask what is open, beside the caller."""
        self.launch(self._execute())

    async def never_began(self, state: RunState) -> None:
        self._enter(state)
        await self._conclude()

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

    async def _execute(self) -> None:
        try:
            self._enter("running", "reading")
            materials = await self.materials()
            subjects = self.spec.subjects
            self.learnt = await asyncio.to_thread(learnt_by, subjects, materials, self.sources.known_to)
            self._enter("running", "asking")
            await self.save()
            async with self._answering() as sources:
                await Lanes(self, materials, sources).ask_all()
                if not self._is_compared:
                    self._enter("running", "comparing")
                    self.divergences = await divergences_of(self.spec, sources.scorer, self.cells)
            if (judging := self._judging()).todo():
                self._enter("running", "judging")
                await judging.judge_all()
            is_answered = any(cell.state == "done" for cell in self.cells.values())
            self.error = None if is_answered else self._first_error()
            self._enter("done" if is_answered else "failed")
        except MultiLLMError as exc:
            self.error = str(exc)
            self._enter("failed")
        except asyncio.CancelledError:
            self._enter(self._ends_as)
            raise
        except Exception:
            log.exception("evaluation %s broke", self.id)
        finally:
            await self._conclude()

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

    async def _conclude(self) -> None:
        self.running.clear()
        if not self.is_over:
            self.error = "something went wrong in the workbench; its log says what"
            self._enter("failed")
        self.ended_at = now()
        try:
            await self._add_up()
            await self.save()
        except (StoreError, RunAtWorkError) as exc:
            self.error = self.error or str(exc)
            self._enter("failed")

    async def _add_up(self) -> None:
        self.version += 1
        # In a thread: the first use of scipy takes a second.
        self.scores = await asyncio.to_thread(scores_of, self._taken_now())

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
        found = scores_by_votes(self._taken_now(), votes)
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

    async def _commit(self, *keys: str, run: bool = False) -> None:
        if self.recorder is not None:
            await self.recorder.commit(*keys, run=run)

    async def save(self) -> None:
        await self._commit(run=True)

    def changed(self, *keys: str) -> None:
        self.version += 1
        if self.recorder is not None and keys and self.is_at_work:
            self.recorder.touch(*keys)

    def _enter(self, state: RunState, phase: Phase = "") -> None:
        self.state, self.phase = state, phase
        self.version += 1
