"""Saving a comparison as it goes: at once where something begins or ends, about once a second while text grows."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from multi_llm_comparator.comparison.answer import Answer
from multi_llm_comparator.comparison.conversation import Conversation
from multi_llm_comparator.comparison.documents import answer_item, run_record
from multi_llm_comparator.core.exceptions import RunConflictError, StoreError
from multi_llm_comparator.tracking.store import Store

logger = logging.getLogger(__name__)

SAVE_INTERVAL_S = 1.0
_LONGEST_PAUSE_S = 60.0


class Recorder:
    """Writes what changed, in one transaction, never two at a time, and never makes a stream wait.

    When the store cannot be written, the comparison goes on: what is unsaved is kept and tried again, at growing
    intervals, and the snapshot says so. When another program has written the run meanwhile, what is here becomes a run
    of its own, and the other's stays as it is.

    Args:
        store: where to write.
        conversation: what to write.
        interval_s: how often growing text is saved.
        known: the ``updated_at`` of the stored run that the conversation was read from; None for a new one.
        on_branch: told the id that the run had, once the conversation goes on under another.
    """

    def __init__(
        self,
        store: Store,
        conversation: Conversation,
        interval_s: float = SAVE_INTERVAL_S,
        *,
        known: float | None = None,
        on_branch: Callable[[str], None] | None = None,
    ) -> None:
        self._store, self._conversation, self._interval_s = store, conversation, interval_s
        self._known, self._on_branch = known, on_branch
        self._unsaved: dict[str, Answer] = {}
        self._run_changed = False
        self._discarded = False
        self._urgent = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._writes: set[asyncio.Task[bool]] = set()

    @property
    def has_unsaved(self) -> bool:
        return not self._discarded and bool(self._unsaved or self._run_changed)

    @property
    def is_closed(self) -> bool:
        return self._discarded

    @property
    def is_writing(self) -> bool:
        return self._writing.locked()

    def touch(self, answer: Answer) -> None:
        """An answer changed: it is saved within the interval."""
        self._unsaved[answer.id] = answer
        self._keep_saving()

    def urge(self) -> None:
        """The run itself changed, or something began: save all that is unsaved now."""
        self._run_changed = True
        self._urgent.set()
        self._keep_saving()

    async def flush(self) -> bool:
        """Try once to save all that is unsaved; a failure is logged and shown in the snapshot, not raised.

        Cancelling the caller does not cut the write short: a thread cannot be called back, and the next write must not
        overtake it.
        """
        write = asyncio.create_task(self._write_alone())
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)
        return await asyncio.shield(write)

    async def flush_unless_changed(self) -> None:
        """Save what is unsaved, unless another program has written the run meanwhile: it knows better then."""
        async with self._writing:
            if await self._write(may_branch=False):
                return
        self._keep_saving()

    async def close(self) -> None:
        """Save what is unsaved; nothing is saved afterwards."""
        await self.flush()
        await self.discard()

    async def discard(self) -> None:
        """Save nothing from now on; returns when a write on its way has ended."""
        self._discarded = True
        self._urgent.set()
        async with self._writing:
            pass

    def _keep_saving(self) -> None:
        if self._task is None and not self._discarded:
            self._task = asyncio.create_task(self._save_until_clean())
            self._task.add_done_callback(lambda done: setattr(self, "_task", None))

    async def _save_until_clean(self) -> None:
        failures = 0
        while self.has_unsaved:
            pause_s = min(_LONGEST_PAUSE_S, self._interval_s * 2**failures)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._urgent.wait(), pause_s)
            failures = 0 if await self.flush() else min(failures + 1, 10)

    async def _write_alone(self) -> bool:
        async with self._writing:
            return await self._write()

    async def _write(self, *, may_branch: bool = True) -> bool:
        if not self.has_unsaved:
            return True
        self._urgent.clear()
        unsaved, self._unsaved, self._run_changed = self._unsaved, {}, False
        snapshot = self._conversation.snapshot()
        taken = (snapshot.turns[a.turn].attempts[a.pane.id][a.attempt - 1] for a in unsaved.values())
        records = [answer_item(snapshot.id, answer) for answer in taken]
        run = run_record(snapshot)
        try:
            await asyncio.to_thread(self._store.save_run, run, records, known=self._known)
        except RunConflictError:
            if not may_branch:
                return True
            self._branch()
            return await self._write()
        except StoreError as exc:
            self._unsaved, self._run_changed = {**unsaved, **self._unsaved}, True
            self._conversation.set_save_error(str(exc))
            logger.warning("run %s is not saved: %s", snapshot.id, exc)
            return False
        self._known = run.updated_at
        self._conversation.set_save_error(None)
        return True

    def _branch(self) -> None:
        """Go on as a run of its own, all of which is still to be written."""
        before = self._conversation.id
        self._unsaved = {answer.id: answer for answer in self._conversation.become_branch()}
        self._run_changed, self._known = True, None
        logger.warning("run %s was changed by another program; this one goes on as %s", before, self._conversation.id)
        if self._on_branch is not None:
            self._on_branch(before)
