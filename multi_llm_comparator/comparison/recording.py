"""Saving a comparison as it goes: at once where something begins or ends, about once a second while text grows."""

from __future__ import annotations

import asyncio
import logging

from multi_llm_comparator.comparison.answer import Answer
from multi_llm_comparator.comparison.conversation import Conversation
from multi_llm_comparator.comparison.documents import answer_record, run_record
from multi_llm_comparator.core.exceptions import StoreError
from multi_llm_comparator.tracking.store import Store

logger = logging.getLogger(__name__)

SAVE_INTERVAL_S = 1.0
_LONGEST_PAUSE_S = 60.0


class Recorder:
    """Writes what changed, in one transaction, never two at a time, and never makes a stream wait.

    When the store cannot be written, the comparison goes on: what is unsaved is kept and tried again, at growing
    intervals, and the snapshot says so.
    """

    def __init__(self, store: Store, conversation: Conversation, interval_s: float = SAVE_INTERVAL_S) -> None:
        self._store, self._conversation, self._interval_s = store, conversation, interval_s
        self._unsaved: dict[str, Answer] = {}
        self._run_changed = False
        self._discarded = False
        self._urgent = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @property
    def has_unsaved(self) -> bool:
        return not self._discarded and bool(self._unsaved or self._run_changed)

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

    async def flush(self) -> None:
        """Save all that is unsaved and return when it is; a failure to do so is logged and shown, not raised."""
        async with self._writing:
            await self._write()

    async def close(self) -> None:
        """Save what is unsaved; nothing is saved afterwards."""
        await self.flush()
        self.discard()

    def discard(self) -> None:
        """Save nothing from now on."""
        self._discarded = True
        if self._task is not None:
            self._task.cancel()

    def _keep_saving(self) -> None:
        if self._task is None and not self._discarded:
            self._task = asyncio.create_task(self._save_until_clean())
            self._task.add_done_callback(lambda done: setattr(self, "_task", None))

    async def _save_until_clean(self) -> None:
        failures = 0
        while self.has_unsaved:
            try:
                pause_s = min(_LONGEST_PAUSE_S, self._interval_s * 2**failures)
                await asyncio.wait_for(self._urgent.wait(), pause_s)
            except TimeoutError:
                pass
            async with self._writing:
                failures = 0 if await self._write() else min(failures + 1, 10)

    async def _write(self) -> bool:
        if not self.has_unsaved:
            return True
        self._urgent.clear()
        unsaved, self._unsaved, self._run_changed = self._unsaved, {}, False
        snapshot = self._conversation.snapshot()
        taken = (snapshot.turns[a.turn].attempts[a.pane.id][a.attempt - 1] for a in unsaved.values())
        records = [answer_record(snapshot.id, answer) for answer in taken]
        try:
            await asyncio.to_thread(self._store.save_run, run_record(snapshot), records)
        except StoreError as exc:
            self._unsaved, self._run_changed = {**unsaved, **self._unsaved}, True
            self._conversation.set_save_error(str(exc))
            logger.warning("run %s is not saved: %s", snapshot.id, exc)
            return False
        self._conversation.set_save_error(None)
        return True
