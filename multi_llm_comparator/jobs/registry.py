"""All jobs: starts them when there is room, finds them again, and makes new ones from old ones."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    InsufficientMemoryError,
    JobError,
    MultiLLMError,
    QueueFullError,
    RunNotFoundError,
)
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.jobs.documents import read_document, read_sample, restored_account
from multi_llm_comparator.jobs.entries import OTHER_PAGE, PAGES, entry_of, job_kinds
from multi_llm_comparator.jobs.export import export_job
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.grid import grid_specs
from multi_llm_comparator.jobs.job_run import STOP_GRACE_S, JobRun, new_job_id
from multi_llm_comparator.jobs.machine import Held, Machine, held_by_others, held_bytes
from multi_llm_comparator.jobs.process import Share, find_process
from multi_llm_comparator.jobs.queue import Waiting, admit, too_much
from multi_llm_comparator.jobs.snapshot import WaitsFor
from multi_llm_comparator.jobs.spec import JobSpec, changed
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.leases import at_work
from multi_llm_comparator.tracking.records import ItemRecord, RunFilter, RunRecord, RunSummary

MAX_QUEUED = 100
MAX_ON_CLUSTERS = 16
# While one waits, what is free is looked at so often: models come and go, other programs too.
LOOK_EVERY_S = 2.0
MAX_FOUND_AGAIN = 200

_IS_ADDRESS = re.compile(r"https?://[^\s/@]+/?")
_IS_ID = re.compile(r"[0-9a-f]{12}")

log = logging.getLogger(__name__)


class JobKind:
    """Jobs of one kind, as a kind of run."""

    formats = export_job.formats

    def __init__(self, name: str, jobs: JobRegistry) -> None:
        self.name, self.page, self._jobs = name, PAGES.get(name, OTHER_PAGE), jobs

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        snapshot = (await self._jobs.get(run_id)).snapshot()
        return await asyncio.to_thread(export_job, snapshot, format)

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> JobRun:
        return self._jobs.restored(record, items)


class JobRegistry:
    """Jobs of every kind. Its coroutines belong to the event loop of the runs.

    Nothing is started before :meth:`open`: a command that only looks at jobs leaves the queue to the app.

    Args:
        runs: where runs live; the kinds are made known to it.
        folder: where each job gets a folder of its own.
        machine: says what is free.
        grace_s: how long a job may take to stop.
    """

    def __init__(self, runs: RunRegistry, folder: Path, machine: Machine, *, grace_s: float = STOP_GRACE_S) -> None:
        self.runs, self._folder, self._machine, self._grace_s = runs, folder, machine, grace_s
        self._queued: dict[str, JobRun] = {}
        self._passed: dict[str, int] = {}
        self._running: dict[str, JobRun] = {}
        self._is_open = False
        self._changed = asyncio.Event()
        self._tending: asyncio.Task[None] | None = None
        for kind in job_kinds():
            runs.register(JobKind(kind, self))
        runs.when_deleted(self._remove_folders)

    # --- to start ---------------------------------------------------------------------------------------------------

    async def start(self, spec: JobSpec, *, parent_id: str | None = None) -> JobRun:
        """Put a job at the end of the queue; it begins as soon as there is room for it.

        Raises:
            ConfigurationError: there is no such kind of job, or its folder cannot be made.
            InsufficientMemoryError, JobError: it needs more memory, or more GPUs, than this machine has.
            QueueFullError: too many wait already.
            StoreError: it cannot be stored.
        """
        refuse_workspaces("start jobs")
        await self._refuse(spec, 1)
        return await self._start(spec, parent_id)

    async def _start(self, spec: JobSpec, parent_id: str | None) -> JobRun:
        run = self._made(new_job_id(), spec)
        run.place = 1.0 + max((other.place for other in self._queued.values()), default=0.0)
        run.recorder = self.runs.recorder(run, parent_id=parent_id)
        await asyncio.to_thread(run.folder.make, spec)
        try:
            await run.recorder.commit(run=True)
        except MultiLLMError:
            await asyncio.to_thread(run.folder.remove, with_artefacts=True)
            raise
        run.show()
        self.runs.adopt(run)
        self.put(run)
        return run

    async def start_grid(self, spec: JobSpec, axes: Mapping[str, Sequence[Any]]) -> str:
        """Queue a job for every combination of options, such as ``{"learning_rate": [1e-4, 2e-4], "rank": [8, 16]}``.

        Returns:
            The id that all of them have as ``parent_id``.

        Raises:
            ConfigurationError, InsufficientMemoryError, JobError, QueueFullError, StoreError: see :meth:`start`. Where
                it is refused, nothing is started.
        """
        refuse_workspaces("start jobs")
        specs = grid_specs(spec, axes)
        for one in specs:
            await self._refuse(one, len(specs))
        grid_id = new_job_id()
        for one in specs:
            await self._start(one, grid_id)
        return grid_id

    async def _refuse(self, spec: JobSpec, count: int) -> None:
        entry_of(spec.kind)
        if len(self._queued) + count > MAX_QUEUED:
            raise QueueFullError(f"{len(self._queued)} jobs wait already, of at most {MAX_QUEUED}; stop some, or wait")
        if spec.backend == "ray":
            refuse_cluster(spec)
        else:
            never = too_much(spec.needs, await asyncio.to_thread(self._machine.room, ()))
            if never is not None and never.missing_bytes:
                text = f"{spec.title!r} {never.text}; choose a smaller model or batch, or raise the memory limit"
                raise InsufficientMemoryError(text, needed_bytes=spec.needs.memory_bytes)
            if never is not None:
                raise JobError(f"{spec.title!r} {never.text}; run it on another machine, or without GPUs")

    def _made(self, run_id: str, spec: JobSpec) -> JobRun:
        return JobRun(run_id, spec, JobFolder(self._folder / run_id), self.runs.store, self, grace_s=self._grace_s)

    # --- to find ----------------------------------------------------------------------------------------------------

    async def open(self, *, find: bool = True) -> None:
        """Begin to start jobs. With ``find``, those that waited when the app ended wait again, and those at work are
        followed; what of them cannot be read is left out, and the log says so."""
        self._is_open = True
        if find:
            try:
                for found in await self.list(RunFilter(states=("queued", "running", "interrupted")), MAX_FOUND_AGAIN):
                    await self._find_again(found.id)
            except MultiLLMError as exc:
                log.error("jobs of earlier are not found again: %s", exc)
        self._tend()

    async def _find_again(self, run_id: str) -> None:
        try:
            await self.get(run_id)
        except MultiLLMError as exc:
            log.warning("job %s is not found again: %s", run_id, exc)

    async def get(self, run_id: str) -> JobRun:
        """See :meth:`RunRegistry.get`."""
        return await self.runs.get(run_id, JobRun)

    async def list(self, filter: RunFilter | None = None, limit: int = 50) -> list[RunSummary]:
        """Jobs of every kind, newest first; see :meth:`RunRegistry.list`."""
        kinds = (filter.kind,) if filter is not None and filter.kind else job_kinds()
        found: list[RunSummary] = []
        for kind in kinds:
            found += await self.runs.list(replace(filter or RunFilter(), kind=kind), limit)
        return sorted(found, key=lambda run: run.created_at, reverse=True)[:limit]

    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> JobRun:
        """A job from what is stored of it. Called in a thread."""
        document = read_document(record)
        run = self._made(record.id, document.spec)
        account = restored_account(document, [read_sample(item) for item in items])
        for series in document.series:
            for point in self.runs.store.load_points(record.id, series):
                account.add_point(point)
        run.take_over(document, account, is_interrupted=record.status == "interrupted")
        run.recorder = self.runs.recorder(run, record)
        run.show()
        return run

    # --- to stop, resume, change ------------------------------------------------------------------------------------

    async def stop(self, run_id: str) -> None:
        """Have a job write a checkpoint and end; see :meth:`JobRun.stop`. Also one that another process follows.

        Raises:
            RunNotFoundError: no such job.
            RunAtWorkError: it waits in the queue of another process.
        """
        run = await self.get(run_id)
        if run.owner is None:
            await run.stop()
        elif await asyncio.to_thread(find_process, run.folder) is not None:
            await asyncio.to_thread(run.tell_to_stop)
        else:
            raise at_work(run_id, run.owner)

    async def resume(self, run_id: str, **changes: Any) -> JobRun:
        """Put a job that was stopped, failed or interrupted into the queue again; see :meth:`RunRegistry.resume`. It
        goes on with ``changes`` of its specification (:func:`jobs.spec.changed`), such as its kind can go on with."""

        def change(run: JobRun) -> None:
            run.spec = run.spec if run.state == "done" else changed(run.spec, **changes)

        return await self.runs.resume(run_id, JobRun, change)

    async def duplicate(self, run_id: str, **changes: Any) -> JobSpec:
        """The specification of a job, changed: see :func:`jobs.spec.changed`. Nothing is started."""
        return changed((await self.get(run_id)).spec, **changes)

    async def delete(self, run_id: str, *, with_artefacts: bool = False) -> None:
        """Stop a job and delete it, with its folder; what it made stays unless ``with_artefacts``.

        Raises:
            RunAtWorkError: another process works on it.
            RunNotFoundError: no such job.
        """
        run = await self.get(run_id)
        await self.runs.delete([run_id])
        if with_artefacts:
            await asyncio.to_thread(run.folder.remove, with_artefacts=True)

    def _remove_folders(self, run_ids: Sequence[str]) -> None:
        """Runs were deleted, by whomever. What jobs have made stays: one asks for its end, or never thought of it."""
        for run_id in run_ids:
            if _IS_ID.fullmatch(run_id):
                JobFolder(self._folder / run_id).remove(with_artefacts=False)

    async def move(self, run_id: str, before: str | None) -> None:
        """Have a waiting job begin before another one; None puts it last.

        Raises:
            RunNotFoundError: one of them does not wait here.
        """
        order = self._in_order()
        ids = [run.id for run in order]
        for wanted in (run_id, before):
            if wanted is not None and wanted not in ids:
                raise RunNotFoundError(f"job {wanted!r} does not wait in the queue; it may have begun")
        ids.remove(run_id)
        ids.insert(len(ids) if before is None or before == run_id else ids.index(before), run_id)
        for place, one in enumerate(ids, 1):
            run = self._queued[one]
            if run.place != place:
                run.place = float(place)
                if run.recorder is not None:
                    run.recorder.touch()
        # Who was put behind another wants to be passed.
        self._passed.clear()
        self._wake()

    @property
    def queue(self) -> tuple[JobRun, ...]:
        """Jobs that wait, the next first."""
        return self._in_order()

    @property
    def running(self) -> tuple[JobRun, ...]:
        return tuple(self._running.values())

    # --- the queue --------------------------------------------------------------------------------------------------

    def put(self, run: JobRun) -> None:
        self._queued[run.id] = run
        self.runs.keep(run)
        self._tend()

    def note_change(self, run: JobRun) -> None:
        if run.state != "queued":
            self._queued.pop(run.id, None)
            self._passed.pop(run.id, None)
        if run.state == "running":
            self._running[run.id] = run
            self.runs.keep(run)
        else:
            self._running.pop(run.id, None)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()

    def _tend(self) -> None:
        self._wake()
        if self._is_open and self._queued and self._tending is None:
            self._tending = asyncio.create_task(self._tend_queue())

    async def _tend_queue(self) -> None:
        try:
            await self._tend_while_jobs_wait()
        finally:
            # Not by a callback: a job that comes before that was called would wait for nobody.
            self._tending = None

    async def _tend_while_jobs_wait(self) -> None:
        while self._queued:
            self._changed.clear()
            try:
                await self._admit()
            except Exception:
                # The edge of a background task: the queue must not stand still for one look that failed.
                log.exception("the queue of jobs could not be looked at")
            try:
                await asyncio.wait_for(self._changed.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def _admit(self) -> None:
        elsewhere = [run for run in self._in_order() if run.spec.backend != "local"]
        others = await asyncio.to_thread(held_by_others, self._folder, {*self._running, *self._queued})
        room = await asyncio.to_thread(self._machine.room, (*self._held(), *others))
        order = [run for run in self._in_order() if run.spec.backend == "local"]
        admission = admit([Waiting(r.id, r.spec.needs, self._passed.get(r.id, 0)) for r in order], room)
        self._passed |= admission.passed
        for run in order:
            if run.id in admission.waits and run.waits_for != admission.waits[run.id]:
                run.waits_for = admission.waits[run.id]
                run.show()
        await self._admit_elsewhere(elsewhere)
        for run_id, share in admission.starts.items():
            if run_id in self._queued:
                await self._launch(self._queued[run_id], share)

    async def _admit_elsewhere(self, waiting: Sequence[JobRun]) -> None:
        """A cluster has a queue of its own; each job that it has costs a process here."""
        free = MAX_ON_CLUSTERS - sum(run.spec.backend != "local" for run in self._running.values())
        for run in waiting[: max(0, free)]:
            await self._launch(run, Share(1))
        for ahead, run in enumerate(waiting[max(0, free) :]):
            wait = WaitsFor(
                what="turn", text=f"waits for one of {MAX_ON_CLUSTERS} jobs on clusters to end", ahead=ahead
            )
            if run.waits_for != wait:
                run.waits_for = wait
                run.show()

    def _held(self) -> tuple[Held, ...]:
        local = (run for run in self._running.values() if run.spec.backend == "local")
        return tuple(Held(run.spec.needs, run.share, run.pid) for run in local)

    def held_bytes(self) -> tuple[int, int]:
        """RAM that jobs at work hold or were promised, and what of that they have yet to take."""
        return held_bytes(self._held())

    async def _launch(self, run: JobRun, share: Share) -> None:
        self._queued.pop(run.id, None)
        self._passed.pop(run.id, None)
        self._running[run.id] = run
        await run.launch(share)

    def _in_order(self) -> tuple[JobRun, ...]:
        return tuple(sorted(self._queued.values(), key=lambda run: (run.place, run.created_at)))

    async def aclose(self) -> None:
        """Start no more jobs; those at work go on, and are found again."""
        self._is_open = False
        for run in self._running.values():
            log.warning("job %s (%s) goes on without the app, which follows it again once opened", run.id, run.title)
        await end_tasks(self._tending)


def refuse_cluster(spec: JobSpec) -> None:
    """Raises ConfigurationError: Ray is not installed here, or the address is none."""
    if find_spec("ray") is None:
        raise ConfigurationError(f"{spec.title!r} is to run on a Ray cluster, and Ray is missing: pip install '.[ray]'")
    if not _IS_ADDRESS.fullmatch(spec.address or ""):
        wanted = "the address of the cluster's dashboard, such as 'http://127.0.0.1:8265'"
        raise ConfigurationError(f"{spec.address!r} is no address of a Ray cluster; give {wanted}")
