"""A run that is one coroutine beside its callers: how it begins and ends, is looked at meanwhile, and is stored."""

from __future__ import annotations

import asyncio
import logging
import uuid
from abc import abstractmethod
from collections.abc import Collection, Coroutine, Iterable
from typing import Any, Generic, Literal, TypeVar

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError, RunAtWorkError, StoreError
from multi_llm_comparator.core.together import end_tasks
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.tracking.records import ACTIVE, ItemRecord, RunRecord, RunState

SNAPSHOT_TIMEOUT_S = 15.0
BROKEN = "something went wrong in the workbench; its log says what"

log = logging.getLogger(__name__)

# The type of its snapshots, and the names of its phases.
S = TypeVar("S")
P = TypeVar("P", bound=str)


def new_run_id() -> str:
    """Another one each time, and short: what belongs to a run is named after it."""
    return uuid.uuid4().hex[:12]


class TaskRun(LiveRun, Generic[S, P]):
    """Everything of it is changed on the event loop that it was begun on; snapshots are for anybody.

    A kind says what is done (:meth:`work`), what a snapshot holds (:meth:`frozen`) and what is stored
    (:meth:`run_record`, :meth:`item_record`). A run that another process took over cannot be written, and fails.
    """

    id: str = ""
    state: RunState = "queued"
    phase: P | Literal[""] = ""
    version: int = 0
    error: str | None = None
    # The type's name of what made it fail, in this process: it is not stored.
    error_type: str = ""
    created_at: float
    ended_at: float | None = None
    # Why its latest state is not stored.
    save_error: str | None = None
    _task: asyncio.Task[None] | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    # What it becomes when its work is cancelled.
    _ends_as: RunState = "stopped"
    # The latest snapshot, and of when it is.
    _frozen: tuple[object, S] | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in ACTIVE

    # --- looking at it ----------------------------------------------------------------------------------------------

    def snapshot(self) -> S:
        """The run now, as something that does not change any more; from any thread."""
        if self._task is None or self._task.done() or _running_loop() is self._loop:
            return self._frozen_now()

        async def there() -> S:
            return self._frozen_now()

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(SNAPSHOT_TIMEOUT_S)

    def _frozen_now(self) -> S:
        as_of = self._as_of()
        if self._frozen is None or self._frozen[0] != as_of:
            self._frozen = as_of, self.frozen()
        return self._frozen[1]

    def _as_of(self) -> tuple[object, ...]:
        """As long as this is the same, so is the snapshot."""
        return self.version, self.owner

    @abstractmethod
    def frozen(self) -> S:
        """A snapshot, made anew. Nothing is changed meanwhile."""

    def head(self) -> dict[str, Any]:
        """What :class:`RunSnapshot` has of each run."""
        return {
            "id": self.id,
            "title": self.title,
            "version": self.version,
            "owner": self.owner,
            "state": self.state,
            "phase": self.phase,
            "created_at": self.created_at,
            "ended_at": self.ended_at,
            "error": self.error,
        }

    # --- its life ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Do what is open, beside the caller."""
        self.launch(self.execute())

    def launch(self, work: Coroutine[Any, Any, None]) -> None:
        """Have ``work`` done beside the caller, on the running event loop."""
        self._loop, self._ends_as, self.error_type = asyncio.get_running_loop(), "stopped", ""
        self._task = asyncio.create_task(work)

    async def execute(self) -> None:
        """Do what is open. Nothing is raised but cancellation, which ends the run: the outcome is in ``state``, and the
        reason of what should never happen in the log."""
        try:
            await self.work()
            self._enter("done" if self.error is None else "failed")
        except MultiLLMError as exc:
            self.error, self.error_type = str(exc), type(exc).__name__
            self._enter("failed")
        except asyncio.CancelledError:
            self._enter(self._ends_as)
            raise
        except Exception:
            log.exception("%s %s broke", self.kind, self.id)
        finally:
            await self._conclude()

    @abstractmethod
    async def work(self) -> None:
        """All that the run does. It has failed where this leaves an ``error``, or raises one of ours."""

    async def wind_up(self) -> Collection[str]:
        """What is left to do at the end, however it came; the keys of items that are still to be written."""
        return ()

    async def _conclude(self) -> None:
        if not self.is_over:
            self.error = BROKEN
            self._enter("failed")
        self.ended_at = now()
        self.version += 1
        try:
            await self.save(*await self.wind_up())
        except (StoreError, RunAtWorkError) as exc:
            self.error = self.error or str(exc)
            self._enter("failed")

    async def stop(self) -> None:
        await self._end("stopped")

    async def interrupt(self) -> None:
        await self._end("interrupted")

    async def wait(self) -> None:
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _end(self, state: RunState) -> None:
        if self._task is None or self._task.done():
            return
        self._ends_as = state
        await end_tasks(self._task)
        if not self.is_over:
            # It was cancelled before it began.
            self._enter(state)
            await self._conclude()

    # --- what changes, and is stored --------------------------------------------------------------------------------

    def changed(self, *keys: str) -> None:
        """Something grew: these items are saved soon."""
        self.version += 1
        if self.recorder is not None and keys and self.is_at_work:
            self.recorder.touch(*keys)

    def _enter(self, state: RunState, phase: P | Literal[""] = "") -> None:
        self.state, self.phase = state, phase
        self.version += 1

    async def save(self, *keys: str) -> None:
        """Have the run itself written down, with these items.

        Raises:
            StoreError, RunAtWorkError: it cannot be.
        """
        await self._commit(*keys, run=True)

    async def _commit(self, *keys: str, run: bool = False) -> None:
        if self.recorder is not None:
            await self.recorder.commit(*keys, run=run)

    @abstractmethod
    def run_record(self) -> RunRecord: ...

    @abstractmethod
    def item_record(self, key: str) -> ItemRecord: ...

    def note_save_error(self, message: str | None) -> None:
        self.save_error = message

    def branch(self) -> Iterable[str] | None:
        return None


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
