"""A cooperation on its way: members asked, counted, integrated. Outlives the page that started it."""

from __future__ import annotations

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.desk import Desk
from multi_llm_comparator.cooperation.documents import KIND, CooperationDocument, call_item
from multi_llm_comparator.cooperation.modes import MODE_FUNCTIONS
from multi_llm_comparator.cooperation.outcome import Count, Outcome
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot, Phase
from multi_llm_comparator.cooperation.spec import PREFIX, CooperationSpec
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.runs.stored import life_of, record_of
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

MAX_TITLE_CHARS = 200


class CooperationRun(TaskRun[CooperationSnapshot, Phase]):
    """One cooperation."""

    kind = KIND

    def __init__(self, source: TextSource, spec: CooperationSpec, *, run_id: str) -> None:
        self.id, self.source, self.spec = run_id, source, spec
        self.created_at = now()
        self.calls: dict[str, Call] = {}
        self.counts: dict[int, Count] = {}
        self.outcome: Outcome | None = None

    @property
    def title(self) -> str:
        """As it was named, else the question."""
        return cut_line(self.spec.title or self.spec.question, MAX_TITLE_CHARS)

    def frozen(self) -> CooperationSnapshot:
        return CooperationSnapshot(
            **self.head(),
            spec=self.spec,
            calls={key: call.copied() for key, call in self.calls.items()},
            counts=tuple(self.counts[n] for n in sorted(self.counts)),
            outcome=self.outcome,
        )

    # --- its life ---------------------------------------------------------------------------------------------------

    async def resume(self) -> None:
        if self.state == "done":
            return
        self.error, self.ended_at, self.outcome, self.counts = None, None, None, {}
        self._enter("queued")
        self.begin()

    async def work(self) -> None:
        self._enter("running", "answering")
        self.outcome = await MODE_FUNCTIONS[self.spec.mode](Desk(self))

    async def wind_up(self) -> list[str]:
        for call in self.calls.values():
            if not call.progress.is_over:
                call.progress.state = "stopped"
        return [key for key, call in self.calls.items() if not call.is_done]

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

    # --- what is stored ---------------------------------------------------------------------------------------------

    def run_record(self) -> RunRecord:
        """Its line in lists names mode and members."""
        counts = [self.counts[n] for n in sorted(self.counts)]
        answer = self.outcome.answer if self.outcome else ""
        return record_of(
            self,
            CooperationDocument(spec=self.spec, counts=counts, outcome=self.outcome, **life_of(self)),
            detail=f"{self.spec.mode}: {', '.join(self.spec.targets)}",
            models=(*self.spec.targets, f"{PREFIX}{self.spec.mode}"),
            search_text=f"{self.spec.question}\n{answer}",
        )

    def item_record(self, key: str) -> ItemRecord:
        return call_item(self.id, self.calls[key], list(self.calls).index(key))
