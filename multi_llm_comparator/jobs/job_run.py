"""A job as a run: queued, started as a process, followed through its folder, stopped, found again, resumed."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from dataclasses import replace
from typing import Protocol

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.jobs.account import Account
from multi_llm_comparator.jobs.documents import JobDocument, run_record, sample_item
from multi_llm_comparator.jobs.ending import ending_of
from multi_llm_comparator.jobs.events import JobNote
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.gpu_memory import GpuMemory
from multi_llm_comparator.jobs.process import (
    AT_WORK_ALREADY,
    JobProcess,
    Leftover,
    Share,
    end_group,
    find_process,
    start_process,
)
from multi_llm_comparator.jobs.snapshot import JobSnapshot, Trouble, WaitsFor
from multi_llm_comparator.jobs.spec import JobSpec
from multi_llm_comparator.jobs.telling import Telling
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.tracking.records import ACTIVE, ItemRecord, RunRecord, RunState
from multi_llm_comparator.tracking.store import Store

# How often the events of a job are read.
FOLLOW_EVERY_S = 0.5
# A job that was told to stop ends its step and writes a checkpoint.
STOP_GRACE_S = 120.0
# One that is deleted may still end what it started elsewhere.
DISCARD_GRACE_S = 5.0
STARTING, STOPPING = "starting", "stopping"

log = logging.getLogger(__name__)


def new_job_id() -> str:
    return uuid.uuid4().hex[:12]


class Queue(Protocol):
    """Where jobs wait for their turn."""

    def put(self, run: JobRun) -> None:
        """The job is to begin when there is room for it."""

    def note_change(self, run: JobRun) -> None:
        """The job has begun or ended: what waits may have its turn."""


class JobRun(LiveRun):
    """One job. Everything here is written on the event loop of the runs; :meth:`snapshot` is for anybody.

    Args:
        run_id: its id, and the name of its folder.
        spec: what it is to do.
        folder: where it works.
        store: where its curves are kept.
        queue: where it waits.
        grace_s: how long it may take to stop before it is killed.
    """

    def __init__(
        self,
        run_id: str,
        spec: JobSpec,
        folder: JobFolder,
        store: Store,
        queue: Queue,
        *,
        grace_s: float = STOP_GRACE_S,
    ) -> None:
        self.kind, self._id, self.spec, self.folder = spec.kind, run_id, spec, folder
        self._store, self._queue, self._grace_s = store, queue, grace_s
        self._state: RunState = "queued"
        self._version = 0
        # What is stored of its state, for one that nobody worked on when it was read.
        self.stored_state: RunState = "queued"
        self.created_at = now()
        self.begun_at: float | None = None
        self.ended_at: float | None = None
        self.place, self.attempt = 0.0, 0
        self.pid: int | None = None
        self.share: Share | None = None
        self.is_stop_asked = False
        self.account = Account()
        self.error: Trouble | None = None
        self.leftovers: tuple[Leftover, ...] = ()
        self.waits_for: WaitsFor | None = None
        self.telling = Telling(run_id, folder, store, self.account)
        self.gpu_memory: GpuMemory | None = None
        self._save_error: str | None = None
        self._process: JobProcess | None = None
        self._task: asyncio.Task[None] | None = None
        self._kill_at = float("inf")
        self._over = asyncio.Event()
        self._snapshot = self._taken()

    # --- what it is -------------------------------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self._id

    @property
    def title(self) -> str:
        return self.spec.title

    @property
    def state(self) -> RunState:
        return self._state

    @property
    def version(self) -> int:
        return self._version

    @property
    def phase(self) -> str:
        if self._state != "running":
            return ""
        return STOPPING if self.is_stop_asked else self.account.phase or STARTING

    def snapshot(self) -> JobSnapshot:
        return self._snapshot

    def _taken(self) -> JobSnapshot:
        return JobSnapshot(
            id=self._id,
            version=self._version,
            spec=self.spec,
            title=self.title,
            state=self._state,
            phase=self.phase,
            progress=self.account.progress,
            curves=self.account.curves(),
            samples=self.account.samples,
            notes=tuple(self.account.notes),
            artefacts=tuple(self.account.artefacts.values()),
            result=self.account.result,
            error=self.error,
            waits_for=self.waits_for if self._state == "queued" else None,
            log_tail=self.telling.log_tail,
            created=self.created_at,
            begun=self.begun_at,
            ended=self.ended_at,
            pid=self.pid if self._state == "running" else None,
            attempt=self.attempt,
            parent_id=self.recorder.parent_id if self.recorder else None,
            folder=str(self.folder.path),
            leftovers=self.leftovers,
            save_error=self._save_error,
        )

    def show(self, state: RunState | None = None) -> None:
        """Something changed: what :meth:`snapshot` gives is made anew."""
        self._state = state or self._state
        self._version += 1
        self._snapshot = self._taken()

    def take_over(self, document: JobDocument, account: Account, *, is_interrupted: bool) -> None:
        """Become what is stored, and what was told; ``is_interrupted``: nobody works on it."""
        self.stored_state = document.state
        self._state = "interrupted" if is_interrupted else document.state
        self.created_at, self.begun_at, self.ended_at = document.created_at, document.begun_at, document.ended_at
        self.place, self.attempt, self.share = document.place, document.attempt, document.share
        # Its own word, if the app ended before it had stored the number.
        working = self.folder.process()
        self.pid = working.pid if working is not None and working.is_here else document.pid
        self.is_stop_asked, self.error = document.stop_asked, document.error
        self.leftovers = tuple(document.leftovers)
        self.gpu_memory = None if document.gpu_bytes_before is None else GpuMemory(document.gpu_bytes_before)
        self.account = account
        self.telling = Telling(self._id, self.folder, self._store, account)
        self.telling.begin_at(document.read_to)

    # --- its life ---------------------------------------------------------------------------------------------------

    async def launch(self, share: Share) -> None:
        """Start its process and follow it. What goes wrong is its error."""
        # Threads stay as they were: they decide in which order numbers are added up.
        self.share = replace(share, threads=self.share.threads if self.share else share.threads)
        self.attempt += 1
        self.begun_at, self.pid = self.begun_at or now(), None
        self.account.begin_again()
        self.show("running")
        try:
            # Before there is a process, so that it is looked for whatever happens to this one.
            await self._commit()
            self.gpu_memory = await asyncio.to_thread(GpuMemory) if self.share.gpus else None
            process = await asyncio.to_thread(start_process, self._id, self.folder, self.spec, self.share)
            if self.recorder is not None and self.recorder.is_closed:
                # It was deleted while it began.
                await asyncio.to_thread(end_group, self._id, process.pid)
            else:
                self._follow(process)
        except MultiLLMError as exc:
            await self._end("failed", Trouble(type(exc).__name__, str(exc)))

    def _follow(self, process: JobProcess | None) -> None:
        self._process, self.pid = process, process.pid if process else self.pid
        if self.recorder is not None:
            self.recorder.urge()
        self._over.clear()
        self._kill_at = time.monotonic() + self._grace_s if self.is_stop_asked else float("inf")
        if self.is_stop_asked and process is not None:
            process.terminate()
        self._task = asyncio.create_task(self._follow_to_the_end())

    async def stop(self) -> None:
        """Have it write a checkpoint and end; one that takes too long is killed. Returns at once: see :meth:`wait`."""
        if self.owner is not None or self._state not in ACTIVE:
            return
        if self._state == "queued":
            await self._end("stopped")
            return
        self.is_stop_asked = True
        self._kill_at = min(self._kill_at, time.monotonic() + self._grace_s)
        self.show()
        if self.recorder is not None:
            self.recorder.urge()
        self.tell_to_stop()

    def tell_to_stop(self) -> None:
        """Tell its process, whoever started it."""
        try:
            self.folder.stop_file.touch()
        except OSError as exc:
            log.warning("job %s is told to stop by a signal alone: %s", self._id, exc)
        process = self._process or find_process(self.folder)
        if process is not None:
            process.terminate()

    async def interrupt(self) -> None:
        """This process ends, the job does not: whoever opens it next follows it again."""
        await self._let_go()
        if self.recorder is not None:
            await self.recorder.flush()

    async def _let_go(self) -> None:
        await end_tasks(self._task)

    async def resume(self) -> None:
        """Have it wait for its turn again; its kind continues from the last checkpoint. One that is done stays so."""
        if self._state == "done" or self._state in ACTIVE:
            return
        self.folder.make(self.spec)
        self.folder.stop_file.unlink(missing_ok=True)
        self.error, self.ended_at, self.is_stop_asked, self.leftovers = None, None, False, ()
        self.stored_state = "queued"
        self._over.clear()
        await self._begin_again()

    async def opened(self) -> None:
        # Without its folder nothing is known of it: another machine has it, or it was moved and may come back.
        if not await asyncio.to_thread(self.folder.spec_file.exists):
            return
        if self.stored_state in ACTIVE or await asyncio.to_thread(find_process, self.folder) is not None:
            await self._begin_again()

    async def _begin_again(self) -> None:
        """Follow its process if there is one, else have it wait for its turn if it is not known to have begun."""
        process = await asyncio.to_thread(find_process, self.folder)
        was_running = process is not None or (self._state == "interrupted" and self.stored_state == "running")
        self.stored_state = "queued"
        before = self._state
        self.show("running" if was_running else "queued")
        try:
            await self._commit()
        except MultiLLMError:
            # Another process was faster, or nothing can be stored: nobody works on it here.
            self.show(before)
            raise
        if was_running:
            self._follow(process)
        else:
            self._queue.put(self)

    async def wait(self) -> None:
        await self._over.wait()

    async def discard(self) -> None:
        if self.recorder is not None:
            await self.recorder.discard()
        await self._let_go()
        if self.is_at_work and self.pid is not None:
            self.tell_to_stop()
            until = time.monotonic() + DISCARD_GRACE_S
            while self._process is not None and not self._process.is_gone and time.monotonic() < until:
                await asyncio.sleep(0.05)
            await asyncio.to_thread(end_group, self._id, self.pid)
        self.show("stopped")
        self._over.set()
        self._queue.note_change(self)

    # --- to follow --------------------------------------------------------------------------------------------------

    async def _follow_to_the_end(self) -> None:
        self.show()
        self._queue.note_change(self)
        try:
            while True:
                # Asked before reading: what it wrote before it ended is read then.
                is_gone = self._process is None or self._process.is_gone
                while await self._read():
                    pass
                if is_gone:
                    break
                if time.monotonic() >= self._kill_at and self.pid is not None:
                    await asyncio.to_thread(end_group, self._id, self.pid)
                    continue
                await asyncio.sleep(FOLLOW_EVERY_S)
            await self._conclude()
        except MultiLLMError as exc:
            await self._end("failed", Trouble(type(exc).__name__, str(exc)))
        except Exception:
            log.exception("job %s cannot be followed", self._id)
            text = "the workbench cannot follow the job; its log says why. Resume the job to follow it again"
            await self._end("failed", Trouble("JobError", text))

    async def _read(self) -> bool:
        """Take in what was told since; whether there may be more."""
        news = await self.telling.look()
        if news.has_more or news.is_log_new:
            self.show()
        if news.has_more and self.recorder is not None:
            self.recorder.touch(*news.samples)
        if news.save_error is not None:
            self.note_save_error(news.save_error)
        return news.has_more

    # --- to end -----------------------------------------------------------------------------------------------------

    async def _conclude(self) -> None:
        """The process is gone, and all that it told is read."""
        code = self._process.exit_code if self._process is not None else None
        if code == AT_WORK_ALREADY and (other := await asyncio.to_thread(find_process, self.folder)) is not None:
            # One that an app before started, and that nobody knew of, is at work still.
            self._follow(other)
            return
        if self.pid is not None:
            self.leftovers = await asyncio.to_thread(end_group, self._id, self.pid)
        stranded = await asyncio.to_thread(self.gpu_memory.stranded) if self.gpu_memory is not None else ""
        for text in filter(None, (*(left.text for left in self.leftovers), stranded)):
            self._note(text)
        ending = ending_of(
            self.account.ended,
            code,
            self.telling.log_tail,
            is_stop_asked=self.is_stop_asked,
            grace_s=self._grace_s,
        )
        if ending.note:
            self._note(ending.note)
        await self._end(ending.state, ending.error)

    def _note(self, text: str) -> None:
        self.account.add(JobNote(level="warning", text=text))

    async def _end(self, state: RunState, error: Trouble | None = None) -> None:
        self.error, self.ended_at, self.waits_for = error, now(), None
        self.show(state)
        if self.recorder is not None:
            # What cannot be written now is tried again.
            self.recorder.touch()
            await self.recorder.flush()
        self._queue.note_change(self)
        self._over.set()

    # --- to be recorded ---------------------------------------------------------------------------------------------

    async def _commit(self) -> None:
        assert self.recorder is not None
        await self.recorder.commit(run=True)

    def run_record(self) -> RunRecord:
        return run_record(self)

    def item_record(self, key: str) -> ItemRecord:
        return sample_item(self._id, self.account.sample(key))

    def note_save_error(self, message: str | None) -> None:
        if message != self._save_error:
            self._save_error = message
            self.show()

    def branch(self) -> None:
        return None
