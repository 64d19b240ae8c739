"""Saving a run: soon, while answers grow, or before anything else happens, when something is finished."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.exceptions import RunAtWorkError, RunConflictError, StoreError
from multi_llm_comparator.tracking.records import ACTIVE, ItemRecord, RunRecord
from multi_llm_comparator.tracking.store import Store

logger = logging.getLogger(__name__)

SAVE_INTERVAL_S = 1.0
# A process that does not renew its leases for so long has ended, or hangs.
LEASE_S = 30.0
_LONGEST_PAUSE_S = 60.0


class Recorded(Protocol):
    """What a recorder writes: a run, with items that have keys of its own choice. Asked on the event loop."""

    def run_record(self) -> RunRecord: ...

    def item_record(self, key: str) -> ItemRecord: ...

    def note_save_error(self, message: str | None) -> None:
        """Told why the latest state is not stored; None once it is."""

    def branch(self) -> Iterable[str] | None:
        """Another process has written the run: become a run of another id, and give the keys of all its items. None
        where that makes no sense: saving then fails."""


class Recorder:
    """Writes what changed, in one transaction, never two at a time. Who writes a run at work holds its lease.

    :meth:`touch` writes soon, tries again when that fails, and never makes a stream wait. :meth:`commit` returns when
    all is written, or raises; what several commit at once is written together.

    Args:
        store: where to write.
        body: what to write.
        owner: this process.
        origin: where the run was started.
        parent_id: the run that it was made from.
        caller: the id of whom it is made for.
        known: the ``updated_at`` of the stored run that the body was read from; None for a new one.
        interval_s: how soon what was touched is saved.
        lease_s: how long a run at work is held with each write.
    """

    def __init__(
        self,
        store: Store,
        body: Recorded,
        owner: WorkingProcess,
        *,
        origin: str = "",
        parent_id: str | None = None,
        caller: str = "",
        known: float | None = None,
        interval_s: float = SAVE_INTERVAL_S,
        lease_s: float = LEASE_S,
    ) -> None:
        self._store, self._body, self._owner = store, body, owner
        self.origin, self.parent_id, self.caller, self.known = origin, parent_id, caller, known
        self._interval_s, self._lease_s = interval_s, lease_s
        # Told the id that the run had, when it got another.
        self.on_branch: Callable[[str], None] = lambda before: None
        self._unsaved: dict[str, None] = {}
        self._run_changed = False
        self._discarded = False
        self._urgent = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[None]] = set()

    @property
    def has_unsaved(self) -> bool:
        return not self._discarded and bool(self._unsaved or self._run_changed)

    @property
    def is_busy(self) -> bool:
        return self.has_unsaved or self._writing.locked()

    @property
    def is_closed(self) -> bool:
        return self._discarded

    # --- soon -------------------------------------------------------------------------------------------------------

    def touch(self, *keys: str) -> None:
        """The run changed, and these items of it: saved within the interval."""
        self._unsaved |= dict.fromkeys(keys)
        self._run_changed = True
        if self._task is None and not self._discarded:
            self._task = asyncio.create_task(self._save_until_clean())
            self._task.add_done_callback(lambda done: setattr(self, "_task", None))

    def urge(self) -> None:
        """The run itself changed, or something began: save all that is unsaved now."""
        self._urgent.set()
        self.touch()

    async def flush(self) -> bool:
        """Try once to save all that is unsaved; a failure is logged and told the run, not raised."""
        try:
            await self._alone(lambda: self.has_unsaved)
        except (StoreError, RunAtWorkError) as exc:
            logger.warning("run %s is not saved: %s", self._body.run_record().id, exc)
            return False
        return True

    async def save_unless_changed(self) -> None:
        """Save what is unsaved, unless another process has written the run meanwhile: it knows better then."""
        async with self._writing:
            with suppress(StoreError, RunAtWorkError):
                await self._write(may_branch=False)
        if self.has_unsaved:
            self.touch()

    async def _save_until_clean(self) -> None:
        failures = 0
        while self.has_unsaved:
            pause_s = min(_LONGEST_PAUSE_S, self._interval_s * 2**failures)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), pause_s)
            failures = 0 if await self.flush() else min(failures + 1, 10)

    # --- before going on --------------------------------------------------------------------------------------------

    async def commit(self, *keys: str, run: bool = False) -> None:
        """Write these items, the run itself if asked to, and whatever else waits to be written.

        Raises:
            RunAtWorkError, RunConflictError: another process took the run over.
            StoreError: it could not be written. It stays unsaved, and the next write tries again.
        """
        self._unsaved |= dict.fromkeys(keys)
        self._run_changed |= run
        # Who waits for a write to end may find its own part in the next one.
        await self._alone(lambda: self._unsaved.keys() & set(keys) or (run and self._run_changed))

    async def close(self) -> None:
        """Save what is unsaved; nothing is saved afterwards."""
        await self.flush()
        await self.discard()

    async def rename(self, run_id: str, title: str) -> None:
        await asyncio.to_thread(self._store.marks.rename, run_id, title)

    async def discard(self) -> None:
        """Save nothing from now on; returns when a write on its way has ended."""
        self._discarded = True
        self._urgent.set()
        async with self._writing:
            pass

    # ----------------------------------------------------------------------------------------------------------------

    async def _alone(self, is_needed: Callable[[], object]) -> None:
        # Cancelling the caller does not cut the write short: a thread cannot be called back, and the next write must
        # not overtake it.
        write = asyncio.create_task(self._write_if(is_needed))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        await asyncio.shield(write)

    async def _write_if(self, is_needed: Callable[[], object]) -> None:
        async with self._writing:
            if is_needed():
                await self._write()

    async def _write(self, *, may_branch: bool = True) -> None:
        if not self.has_unsaved:
            return
        self._urgent.clear()
        unsaved, self._unsaved = self._unsaved, {}
        run_changed, self._run_changed = self._run_changed, False
        try:
            await self._put(list(unsaved), run_changed=run_changed)
        except (RunConflictError, RunAtWorkError) as exc:
            before = self._body.run_record().id
            keys = self._body.branch() if may_branch else None
            if keys is None:
                # What was not written stays so: there is nothing to be written over it.
                self._body.note_save_error(str(exc))
                raise
            self._unsaved, self._run_changed = dict.fromkeys(keys), True
            self.known, self.parent_id = None, before
            logger.warning("run %s was changed by another process; it goes on here as another", before)
            self.on_branch(before)
            await self._write(may_branch=False)
        except BaseException as exc:
            self._unsaved, self._run_changed = unsaved | self._unsaved, run_changed or self._run_changed
            self._body.note_save_error(str(exc))
            raise
        else:
            self._body.note_save_error(None)

    async def _put(self, keys: list[str], *, run_changed: bool) -> None:
        items = [self._body.item_record(key) for key in keys]
        if not run_changed:
            await asyncio.to_thread(self._store.save_items, items, owner=self._owner)
            return
        run = replace(self._body.run_record(), origin=self.origin, parent_id=self.parent_id, caller=self.caller)
        lease_s = self._lease_s if run.status in ACTIVE else 0.0
        await asyncio.to_thread(self._store.save_run, run, items, known=self.known, owner=self._owner, lease_s=lease_s)
        self.known = run.updated_at
