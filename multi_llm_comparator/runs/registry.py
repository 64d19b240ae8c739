"""All runs of this process: those at work in memory, the others in the store, those of other processes to look at."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import TypeVar

from multi_llm_comparator.core.at_work import WorkingProcess, this_process
from multi_llm_comparator.core.callers import current_caller
from multi_llm_comparator.core.exceptions import MultiLLMError, RunNotFoundError, StoreError
from multi_llm_comparator.runs.live import LiveRun, RunKind
from multi_llm_comparator.runs.recorder import LEASE_S, SAVE_INTERVAL_S, Recorded, Recorder
from multi_llm_comparator.tracking.leases import at_work
from multi_llm_comparator.tracking.records import ACTIVE, RunFilter, RunRecord, RunSummary
from multi_llm_comparator.tracking.store import EVERY_RUN, Store, not_stored

logger = logging.getLogger(__name__)

# Runs that nobody works on are kept in memory only so long as a page is likely to look at them; the store has them all.
MAX_IDLE = 32
# How old what is shown of a run that another process works on may be.
FOLLOW_S = 1.0
SETTLE_S = 5.0
# No caller has such an id.
_NOBODY = "-"

T = TypeVar("T", bound=LiveRun)


class RunRegistry:
    """Finds, lists, stops, resumes and deletes runs of every kind. Its coroutines belong to the event loop of the runs.

    Several processes may share a store. Who works on a run holds its lease, and renews it; a run whose lease ran out,
    or whose process on this machine is gone, is interrupted, and whoever resumes it takes the lease.

    A run belongs to the caller (see :mod:`core.callers`) that it is made for. Who is no admin finds and changes no
    others: they look as if they were not there.

    Args:
        store: where runs are kept.
        origin: where the runs of this process are started, as lists show it.
        save_interval_s: how often growing text is saved.
        lease_s: how long a lease lasts without being renewed.
    """

    def __init__(
        self,
        store: Store,
        *,
        origin: str = "",
        save_interval_s: float = SAVE_INTERVAL_S,
        lease_s: float = LEASE_S,
    ) -> None:
        self.store, self.owner = store, this_process()
        self._origin, self._save_interval_s, self._lease_s = origin, save_interval_s, lease_s
        self._kinds: dict[str, RunKind] = {}
        self._when_deleted: list[Callable[[Sequence[str]], None]] = []
        self._when_ended: list[Callable[[LiveRun], Awaitable[None]]] = []
        self._watched: dict[str, asyncio.Task[None]] = {}
        # The most recently used last. Whatever a page still holds stays findable after it was dropped from here, so
        # that there are never two live objects of one run.
        self._live: OrderedDict[str, LiveRun] = OrderedDict()
        self._held: weakref.WeakValueDictionary[str, LiveRun] = weakref.WeakValueDictionary()
        # Runs of other processes, and when each was read.
        self._followed: OrderedDict[str, tuple[float, LiveRun]] = OrderedDict()
        # Ids that runs had until another process changed them, each with the one they go by now.
        self._branched: dict[str, str] = {}
        self._loading = asyncio.Lock()
        self._renewing: asyncio.Task[None] | None = None

    # --- kinds ------------------------------------------------------------------------------------------------------

    def register(self, kind: RunKind) -> None:
        self._kinds[kind.name] = kind

    def when_deleted(self, clean: Callable[[Sequence[str]], None]) -> None:
        """Have ``clean`` called, in a thread, with the ids of deleted runs: a kind may keep files of its own."""
        self._when_deleted.append(clean)

    def when_ended(self, tell: Callable[[LiveRun], Awaitable[None]]) -> None:
        """Have ``tell`` awaited with each run of this process that ends, however it does; not at the process's end."""
        self._when_ended.append(tell)

    @property
    def kinds(self) -> tuple[RunKind, ...]:
        return tuple(self._kinds.values())

    def kind_of(self, name: str) -> RunKind | None:
        """A kind by its name; None for one that this version does not have."""
        return self._kinds.get(name)

    def recorder(self, body: Recorded, record: RunRecord | None = None, *, parent_id: str | None = None) -> Recorder:
        """What saves a run: a new one, or the one that was read as ``record``."""
        return Recorder(
            self.store,
            body,
            self.owner,
            origin=self._origin if record is None else record.origin,
            parent_id=parent_id if record is None else record.parent_id,
            caller=current_caller().id if record is None else record.caller,
            known=None if record is None else record.updated_at,
            interval_s=self._save_interval_s,
            lease_s=self._lease_s,
        )

    def adopt(self, run: LiveRun) -> None:
        """Have a run of this process found here from now on."""
        self._held[run.id] = run
        if run.recorder is not None:
            run.recorder.on_branch = lambda before: self._moved(before, run)
        self.keep(run)

    def keep(self, run: LiveRun) -> None:
        """A run was used, or begins to work: it is the last to be dropped from memory."""
        self._live[run.id] = run
        self._live.move_to_end(run.id)
        idle = [run_id for run_id, other in self._live.items() if not other.is_busy and other is not run]
        for run_id in idle[: max(0, len(self._live) - MAX_IDLE)]:
            del self._live[run_id]
        if run.is_at_work and self._when_ended and run.id not in self._watched:
            self._watched[run.id] = asyncio.create_task(self._watch(run))
        if run.is_at_work and self._renewing is None:
            self._renewing = asyncio.create_task(self._renew())
            self._renewing.add_done_callback(lambda done: setattr(self, "_renewing", None))

    def branch_of(self, run_id: str) -> str | None:
        """The id under which a run of this process goes on, since another process changed the stored one."""
        return self._branched.get(run_id)

    def _moved(self, before: str, run: LiveRun) -> None:
        self._live.pop(before, None)
        self._held.pop(before, None)
        self._branched[before] = run.id
        self._held[run.id] = run
        self.keep(run)

    # --- to find ----------------------------------------------------------------------------------------------------

    async def get(self, run_id: str, kind: type[T]) -> T:
        """The run of this id: the one in memory, or one rebuilt from the store.

        One that another process works on is as it was stored a moment ago, and has an ``owner``: get it again to follow
        it. One that nobody works on though it never ended is interrupted; it can be resumed.

        Args:
            run_id: the run.
            kind: the class that runs of its kind have; ``LiveRun`` for any.

        Raises:
            RunNotFoundError: neither live nor stored, or of another kind.
            DocumentError: stored by a newer version, or damaged.
            StoreError: the store cannot be read.
        """
        await self._refuse_strangers(run_id)
        async with self._loading:
            run = await self._found(run_id)
        if not isinstance(run, kind):
            raise RunNotFoundError(f"run {run_id!r} is a {run.kind}; open it on its own page")
        return run

    async def list(self, filter: RunFilter = EVERY_RUN, limit: int = 50, offset: int = 0) -> list[RunSummary]:
        """Stored runs, newest first: see :meth:`Store.list_runs`. Those at work here are as they are now."""
        await self._end_leases_of_the_gone()
        found = await asyncio.to_thread(self.store.list_runs, _seen(filter), limit, offset)
        return [self._as_live(summary) for summary in found]

    async def count(self, filter: RunFilter = EVERY_RUN) -> int:
        await self._end_leases_of_the_gone()
        return await asyncio.to_thread(self.store.count_runs, _seen(filter))

    async def _refuse_strangers(self, run_id: str) -> None:
        """Raises RunNotFoundError: the caller may not see the run."""
        if not current_caller().is_admin and not await self._is_seen(run_id):
            raise not_stored(run_id)

    async def _is_seen(self, run_id: str) -> bool:
        """Whether the caller may see a run; one that is nowhere is not seen."""
        run = self._live.get(run_id) or self._held.get(run_id)
        if run is not None and run.recorder is not None:
            return current_caller().may_see(run.recorder.caller)
        try:
            owner = await asyncio.to_thread(self.store.caller_of, run_id)
        except RunNotFoundError:
            return False
        return current_caller().may_see(owner)

    def _as_live(self, summary: RunSummary) -> RunSummary:
        run = self._live.get(summary.id) or self._held.get(summary.id)
        if run is not None and run.is_at_work:
            return replace(summary, status=run.state, phase=run.phase)
        return summary

    async def _found(self, run_id: str) -> LiveRun:
        run = self._live.get(run_id) or self._held.get(run_id)
        if run is not None and (run.is_busy or not await self._is_stale(run)):
            self.keep(run)
            return run
        at, followed = self._followed.get(run_id, (0.0, None))
        if followed is not None and time.monotonic() - at < FOLLOW_S and not _has_ended(followed.owner):
            return followed
        return await self._load(run_id)

    async def _is_stale(self, run: LiveRun) -> bool:
        """Whether another process has written a run since it was last read or written here."""
        known = run.recorder.known if run.recorder else None
        if known is None:
            return False
        try:
            stored = await asyncio.to_thread(self.store.version_of, run.id)
        except RunNotFoundError:
            return False
        return stored != known

    async def _load(self, run_id: str) -> LiveRun:
        await self._end_leases_of_the_gone()
        run, is_ours = await asyncio.to_thread(self._read, run_id)
        self._followed.pop(run_id, None)
        if is_ours:
            self.adopt(run)
            await run.opened()
        else:
            self._followed[run_id] = (time.monotonic(), run)
            while len(self._followed) > MAX_IDLE:
                self._followed.popitem(last=False)
        return run

    def _read(self, run_id: str) -> tuple[LiveRun, bool]:
        record, items = self.store.load_whole(run_id)
        kind = self._kinds.get(record.kind)
        if kind is None:
            raise RunNotFoundError(f"run {run_id!r} is a {record.kind!r}, which this version does not know")
        is_ours = record.owner is None or record.owner.is_same_as(self.owner)
        if is_ours and record.status in ACTIVE:
            # Held by this process, but not at work here: what worked on it is gone.
            record = replace(record, status="interrupted")
        run = kind.restore(record, items)
        run.owner = None if is_ours else record.owner
        return run, is_ours

    # --- to end and to resume ---------------------------------------------------------------------------------------

    async def stop(self, run_id: str) -> None:
        """Stop a run; what is there stays. One that nobody works on is left as it is.

        Raises:
            RunAtWorkError: another process works on it.
            RunNotFoundError: the caller may not see it.
        """
        await self._refuse_strangers(run_id)
        # One that is being resumed just now is stopped as soon as it is.
        async with self._loading:
            run = self._live.get(run_id) or self._held.get(run_id)
            if run is None:
                await self._refuse_elsewhere([run_id])
            else:
                await run.stop()

    async def resume(self, run_id: str, kind: type[T], before: Callable[[T], None] = lambda run: None) -> T:
        """Continue a run that was stopped, or whose process ended. One that is at work, or complete, is given back.

        Args:
            before: called with the run before it goes on, to change what it is to do; what it raises ends this.

        Raises:
            RunNotFoundError, DocumentError: see :meth:`get`.
            RunAtWorkError: another process works on it.
        """
        await self._refuse_strangers(run_id)
        async with self._loading:
            await self._end_leases_of_the_gone()
            run = await self._found(run_id)
            if not isinstance(run, kind):
                raise RunNotFoundError(f"run {run_id!r} is a {run.kind}; open it on its own page")
            if run.is_at_work:
                return run
            self._followed.pop(run_id, None)
            await asyncio.to_thread(self.store.leases.take, run_id, self.owner, self._lease_s)
            try:
                if run.owner is not None or await self._is_stale(run):
                    run = await self._load(run_id)
                assert isinstance(run, kind)
                before(run)
                await run.resume()
            finally:
                if not run.is_at_work:
                    await asyncio.to_thread(self.store.leases.give_up, run_id, self.owner)
            self.keep(run)
        assert isinstance(run, kind)
        return run

    async def wait(self, run_id: str, timeout_s: float | None = None) -> bool:
        """Wait for a run of this process to end, ``timeout_s`` seconds at most; whether it has. Stops nothing."""
        run = self._live.get(run_id) or self._held.get(run_id)
        if run is None:
            return True
        try:
            async with asyncio.timeout(timeout_s):
                await run.wait()
        except TimeoutError:
            return False
        return True

    async def rename(self, run_id: str, title: str) -> None:
        """Give a run another title; an empty one gives back its first.

        Raises:
            RunNotFoundError, DocumentError: see :meth:`get`.
        """
        await (await self.get(run_id, LiveRun)).rename(title)  # type: ignore[type-abstract]

    async def delete(self, run_ids: Collection[str]) -> int:
        """Stop runs and delete them for good; how many were stored. Unknown ids, and those of runs that the caller may
        not see, are ignored.

        Raises:
            RunAtWorkError: another process works on one of them. Nothing is deleted.
        """
        if not current_caller().is_admin:
            run_ids = [run_id for run_id in run_ids if await self._is_seen(run_id)]
        async with self._loading:
            await self._refuse_elsewhere(run_ids)
            for run_id in run_ids:
                run = self._live.pop(run_id, None) or self._held.get(run_id)
                self._held.pop(run_id, None)
                self._followed.pop(run_id, None)
                if run is not None:
                    await run.discard()
            deleted = await asyncio.to_thread(self.store.delete_runs, run_ids, owner=self.owner)
            for clean in self._when_deleted:
                await asyncio.to_thread(clean, tuple(run_ids))
            return deleted

    async def settle(self) -> None:
        """Wait a moment for those who are told of runs that have ended, before the process does."""
        live = {run.id for run in self._held.values() if run.is_at_work}
        if telling := [task for run_id, task in self._watched.items() if run_id not in live]:
            await asyncio.wait(telling, timeout=SETTLE_S)

    async def aclose(self) -> None:
        """The process ends: everything is stopped, marked as interrupted, and saved."""
        for task in (*self._watched.values(), *([self._renewing] if self._renewing else [])):
            task.cancel()
        await asyncio.gather(*(run.interrupt() for run in list(self._held.values())))
        self._live.clear()

    async def _watch(self, run: LiveRun) -> None:
        began_as = run.id
        try:
            await run.wait()
            for tell in self._when_ended:
                await tell(run)
        except MultiLLMError as exc:
            logger.warning("who waits for the end of run %s is not told: %s", run.id, exc)
        finally:
            self._watched.pop(began_as, None)

    # --- leases -----------------------------------------------------------------------------------------------------

    async def _refuse_elsewhere(self, run_ids: Collection[str]) -> None:
        await self._end_leases_of_the_gone()
        wanted = set(run_ids)
        for lease in await asyncio.to_thread(self.store.leases.all):
            if lease.run_id in wanted and not lease.owner.is_same_as(self.owner):
                raise at_work(lease.run_id, lease.owner)

    async def _end_leases_of_the_gone(self) -> None:
        await asyncio.to_thread(self._end_leases)

    def _end_leases(self) -> None:
        for owner in {lease.owner for lease in self.store.leases.all()}:
            if owner.is_gone:
                self.store.leases.end_all_of(owner)

    async def _renew(self) -> None:
        """Keep the leases of all that is at work here, aside from what works."""
        while held := [run.id for run in list(self._held.values()) if run.is_at_work]:
            try:
                await asyncio.to_thread(self.store.leases.renew, held, self.owner, self._lease_s)
            except StoreError as exc:
                logger.warning("the leases of %d runs are not renewed: %s", len(held), exc)
            await asyncio.sleep(self._lease_s / 3)


def _has_ended(owner: WorkingProcess | None) -> bool:
    return owner is None or owner.is_gone


def _seen(filter: RunFilter) -> RunFilter:
    """What a filter finds of the runs that the caller may see."""
    caller = current_caller()
    return filter if caller.is_admin else replace(filter, caller=caller.id or _NOBODY)
