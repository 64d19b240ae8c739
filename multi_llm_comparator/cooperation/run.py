"""A cooperation on its way: members asked, counted, integrated. Outlives the page that started it."""

from __future__ import annotations

import asyncio
import logging

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.documents import KIND
from multi_llm_comparator.cooperation.modes import MODE_FUNCTIONS
from multi_llm_comparator.cooperation.outcome import Count, Outcome
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot, Phase
from multi_llm_comparator.cooperation.spec import CooperationSpec
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError, RunAtWorkError, StoreError
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ACTIVE, RunState

MAX_TITLE_CHARS = 200

log = logging.getLogger(__name__)


class CooperationRun(TaskRun):
    """One cooperation. Everything here is written on the event loop that it works on; snapshots are for anybody."""

    kind = KIND
    id: str = ""
    state: RunState = "queued"
    phase: Phase = ""
    version: int = 0

    def __init__(self, source: TextSource, spec: CooperationSpec, *, run_id: str) -> None:
        self.id, self.source, self.spec = run_id, source, spec
        self.created_at = now()
        self.ended_at: float | None = None
        self.error: str | None = None
        self.calls: dict[str, Call] = {}
        self.counts: dict[int, Count] = {}
        self.outcome: Outcome | None = None
        self._taken: CooperationSnapshot | None = None

    @property
    def title(self) -> str:
        """As it was named, else the question."""
        title = self.spec.title or " ".join(self.spec.question.split())
        return title if len(title) <= MAX_TITLE_CHARS else f"{title[: MAX_TITLE_CHARS - 1]}…"

    @property
    def is_over(self) -> bool:
        return self.state not in ACTIVE

    def snapshot(self) -> CooperationSnapshot:
        return self.taken(self._taken_now)

    def _taken_now(self) -> CooperationSnapshot:
        taken = self._taken
        if taken is None or taken.version != self.version or taken.owner != self.owner:
            taken = self._taken = CooperationSnapshot(
                id=self.id,
                title=self.title,
                state=self.state,
                phase=self.phase,
                version=self.version,
                created_at=self.created_at,
                ended_at=self.ended_at,
                error=self.error,
                spec=self.spec,
                calls={key: call.copied() for key, call in self.calls.items()},
                counts=tuple(self.counts[n] for n in sorted(self.counts)),
                outcome=self.outcome,
                owner=self.owner,
            )
        return taken

    # --- its life ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Ask what is open, beside the caller."""
        self.launch(self._execute())

    async def never_began(self, state: RunState) -> None:
        self._enter(state)
        await self._conclude()

    async def resume(self) -> None:
        if self.state == "done":
            return
        self.error, self.ended_at, self.outcome, self.counts = None, None, None, {}
        self._enter("queued")
        self.begin()

    async def _execute(self) -> None:
        try:
            self._enter("running", "answering")
            self.outcome = await MODE_FUNCTIONS[self.spec.mode](Desk(self))
            self._enter("done")
        except MultiLLMError as exc:
            self.error = str(exc)
            self._enter("failed")
        except asyncio.CancelledError:
            self._enter(self._ends_as)
            raise
        except Exception:
            log.exception("cooperation %s broke", self.id)
        finally:
            await self._conclude()

    async def _conclude(self) -> None:
        if not self.is_over:
            self.error = "something went wrong in the workbench; its log says what"
            self._enter("failed")
        self.ended_at = now()
        self.version += 1
        open_calls = [key for key, call in self.calls.items() if not call.progress.is_over]
        for key in open_calls:
            self.calls[key].progress.state = "stopped"
        unsaved = [key for key, call in self.calls.items() if not call.is_done]
        try:
            await self._commit(*unsaved, run=True)
        except (StoreError, RunAtWorkError) as exc:
            self.error = self.error or str(exc)
            self._enter("failed")

    # --- what comes in ----------------------------------------------------------------------------------------------

    def began(self, call: Call) -> None:
        """A member is being asked."""
        self.calls[call.key] = call
        self.changed(call.key)

    async def finished(self, call: Call) -> None:
        """Have an answer written down before anything is built on it.

        Raises:
            StoreError, RunAtWorkError: it cannot be.
        """
        self.version += 1
        await self._commit(call.key)

    def counted(self, count: Count) -> None:
        """A vote stands so."""
        self.counts[count.round] = count
        self.version += 1

    def enter_phase(self, phase: Phase) -> None:
        """The run is about something else now."""
        if phase != self.phase:
            self._enter("running", phase)

    def changed(self, *keys: str) -> None:
        self.version += 1
        if self.recorder is not None and keys and self.is_at_work:
            self.recorder.touch(*keys)

    async def save(self) -> None:
        await self._commit(run=True)

    async def _commit(self, *keys: str, run: bool = False) -> None:
        if self.recorder is not None:
            await self.recorder.commit(*keys, run=run)

    def _enter(self, state: RunState, phase: Phase = "") -> None:
        self.state, self.phase = state, phase
        self.version += 1
