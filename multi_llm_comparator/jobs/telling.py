"""Taking in what a job tells in its folder, as it grows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.jobs.account import Account, as_point, sample_key
from multi_llm_comparator.jobs.events import PointMade, Sample, read_event
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.tracking.records import Point
from multi_llm_comparator.tracking.store import Store

READ_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class News:
    """What one look found: whether there may be more, whether the log grew, which samples are new, and why curves
    could not be stored."""

    has_more: bool
    is_log_new: bool
    samples: tuple[str, ...]
    save_error: str | None


class Telling:
    """Reads events into an account, and has the points of curves stored before anything says that they were read.

    ``read_to`` is how much of the events file was read, ``stored_to`` how much of that is in the store; ``log_tail`` is
    the end of what the job printed.
    """

    def __init__(self, run_id: str, folder: JobFolder, store: Store, account: Account) -> None:
        self._run_id, self._folder, self._store, self._account = run_id, folder, store, account
        self.read_to = self.stored_to = 0
        self.log_tail: tuple[str, ...] = ()
        self._log_size = -1
        self._unstored: list[Point] = []

    def begin_at(self, offset: int) -> None:
        """What is before was read by an app before this one. Reads the log; called in a thread."""
        self.read_to = self.stored_to = offset
        self._log_size, self.log_tail = self._folder.log_size(), self._folder.log_tail()

    async def look(self) -> News:
        lines, to = await asyncio.to_thread(self._folder.read_events, self.read_to, READ_BYTES)
        has_more, self.read_to = to > self.read_to, to
        samples: dict[str, None] = {}
        for event in (event for line in lines if (event := read_event(line)) is not None):
            self._account.add(event)
            if isinstance(event, PointMade):
                self._unstored.append(as_point(event))
            elif isinstance(event, Sample) and self._account.holds(key := sample_key(event)):
                samples[key] = None
        save_error = await self._store_points()
        return News(has_more, await self._read_log(), tuple(samples), save_error)

    async def _store_points(self) -> str | None:
        if self._unstored:
            try:
                await asyncio.to_thread(self._store.save_points, self._run_id, self._unstored)
            except StoreError as exc:
                # Stored with the next look; after a crash, read again from where the store has them.
                return str(exc)
            self._unstored = []
        self.stored_to = self.read_to
        return None

    async def _read_log(self) -> bool:
        size = self._folder.log_size()
        if size == self._log_size:
            return False
        self._log_size, self.log_tail = size, await asyncio.to_thread(self._folder.log_tail)
        return True
