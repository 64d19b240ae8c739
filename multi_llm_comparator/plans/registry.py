"""All plan runs of this workbench: those at work in memory, the others in the store."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError, PlanError, RunAtWorkError, RunNotFoundError
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.plans.documents import (
    KIND,
    read_run,
    read_step,
    restored_plan,
    restored_steps,
    run_record,
    state_now,
    step_item,
)
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import OVER, PlanOptions, PlanRun, new_run_id
from multi_llm_comparator.plans.snapshots import snapshot_of
from multi_llm_comparator.plans.step_run import StepRun, StepState
from multi_llm_comparator.plans.timeline import last_moment
from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.tracking.store import Store

# Finished runs are kept in memory only so long as a page is likely to look at them; the store has them all.
MAX_LIVE = 32


class StoreJournal:
    """Writes a run and its steps into the store."""

    def __init__(self, store: Store, run_id: str) -> None:
        self.run_id = run_id
        self._store = store
        # What is stored of each step, so that saving a large run again writes only what is new.
        self._stored: dict[str, tuple[StepRun, StepState]] = {}
        # Two saves at once could end in the wrong order: the older would stay.
        self._saving = asyncio.Lock()
        # Steps that ended while something was being written: they are written together.
        self._waiting: list[StepRun] = []

    async def save(self, run: PlanRun) -> None:
        """Write the run, and all steps that are not stored as they are."""
        async with self._saving:
            record = run_record(run)
            changed = [(s, s.state) for s in run.steps.values() if not self._is_stored(s)]
            await asyncio.to_thread(self._store.save_run, record, [step_item(run.id, s) for s, _ in changed])
            self._stored.update({step.step.id: (step, state) for step, state in changed})

    async def record(self, run: StepRun) -> None:
        """Write one step, and with it those that wait to be written; returns when it is there."""
        self._waiting.append(run)
        async with self._saving:
            if not any(waiting is run for waiting in self._waiting):
                return
            steps, self._waiting = self._waiting, []
            try:
                records = [step_item(self.run_id, step) for step in steps]
                await asyncio.to_thread(self._store.save_items, records)
            except BaseException:
                # The others are not stored either, as far as is known: each of them tries for itself.
                self._waiting = [step for step in steps if step is not run] + self._waiting
                raise
            self._stored.update({step.step.id: (step, step.state) for step in steps})

    def _is_stored(self, step: StepRun) -> bool:
        known, state = self._stored.get(step.step.id, (None, None))
        return known is step and state == step.state


class PlanRegistry:
    """Starts, finds, stops and resumes plan runs. Its coroutines belong to the event loop the runs live on."""

    def __init__(self, store: Store, source: TextSource) -> None:
        self._store = store
        self._source = source
        self._live: dict[str, PlanRun] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._resuming = asyncio.Lock()

    async def start(self, question: str, options: PlanOptions, *, plan: Plan | None = None) -> PlanRun:
        """Answer a question; returns at once with the run at work. With ``plan`` no planner is asked."""
        run_id = new_run_id()
        journal = self.journal(run_id)
        run = PlanRun(self._source, question, options, run_id=run_id, journal=journal)
        await journal.save(run)
        self._begin(run, plan=plan, finished={})
        return run

    def journal(self, run_id: str) -> StoreJournal:
        """Where a run is written down that somebody else executes; it is found again here as any other."""
        return StoreJournal(self._store, run_id)

    async def resume(self, run_id: str) -> PlanRun:
        """Go on with a run that was stopped, or whose workbench ended: finished steps are not repeated.

        A run that has all its answers is given back as it is.

        Raises:
            RunNotFoundError: no such run.
            RunAtWorkError: another process is at work on it.
            DocumentError: what is stored of it cannot be read.
        """
        # One at a time: of two that resume the same run, the second finds it at work.
        async with self._resuming:
            if (task := self._tasks.get(run_id)) and not task.done():
                return self._live[run_id]
            run = await self._restore(run_id)
            _refuse_if_elsewhere(run)
            if run.state == "done" and all(step.state == "done" for step in run.steps.values()):
                return run
            run.pauses.append((last_moment(run), now()))
            run.state, run.answer, run.error, run.aggregate, run.ended_at = "new", None, None, None, None
            if run.plan is None and run.planning:
                run.set_aside()
            finished = {step_id: s for step_id, s in run.steps.items() if s.state == "done"}
            self._begin(run, plan=run.plan, finished=finished)
            return run

    async def solve_again(self, run_id: str, step_id: str, options: PlanOptions) -> PlanRun:
        """Solve one step of a run once more, and all that need it: a new run that begins as that one did.

        The other answers are kept, and with them the clock: what was before is in the new run's past.

        Args:
            run_id: a run that is over and has a plan.
            step_id: a step of it.
            options: who solves it now.

        Raises:
            RunNotFoundError: no such run.
            PlanError: the run is not over, or has no such step.
        """
        run = snapshot_of(await self.get(run_id))
        if not run.is_over or run.plan is None or step_id not in run.plan.by_id:
            raise PlanError(f"run {run_id!r} has no step {step_id!r} that could be solved again: wait for its end")
        journal = self.journal(new_run_id())
        again = PlanRun(self._source, run.question, options, run_id=journal.run_id, journal=journal)
        again.created_at, again.pauses = run.created_at, [*run.pauses, (last_moment(run), now())]
        again.planning, again.plan, again.plan_is_direct = run.planning, run.plan, run.plan_is_direct
        kept = {i: step for i, step in run.steps.items() if step.state == "done" and i != step_id}
        # Those that need it may come to be asked something else: as long as that is open they are not done.
        stands = kept.keys() - run.plan.dependents(step_id)
        again.steps = {s.id: kept[s.id] if s.id in stands else StepRun(s) for s in run.plan.steps}
        # Answers that are kept must be there even if nothing else comes to be.
        await journal.save(again)
        self._begin(again, plan=again.plan, finished=kept)
        return again

    async def get(self, run_id: str) -> PlanRun:
        """A run, live or from the store. One that nobody works on any more, though it never ended, is ``stopped``; one
        that another process works on is as it was last stored.

        Raises:
            RunNotFoundError: no such run.
        """
        if run := self._live.get(run_id):
            return run
        return await self._restore(run_id)

    async def wait(self, run_id: str, timeout_s: float | None = None) -> bool:
        """Wait for the end of a run, ``timeout_s`` seconds at most; whether it has ended. The waiting stops no run."""
        if (task := self._tasks.get(run_id)) is None:
            return True
        done, _ = await asyncio.wait({task}, timeout=timeout_s)
        return bool(done)

    async def is_at_work(self, run_id: str) -> bool:
        """Whether somebody is working on a run here."""
        return (task := self._tasks.get(run_id)) is not None and not task.done()

    async def stop(self, run_id: str) -> None:
        """Stop a run; what is done stays done."""
        # One that is being resumed just now is stopped as soon as it is.
        async with self._resuming:
            if (task := self._tasks.get(run_id)) is None:
                return
            # Its end may be what makes it one too many to be kept.
            run = self._live[run_id]
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await run.abandon()

    async def recent(
        self, text: str = "", limit: int = 50, offset: int = 0, *, before: float | None = None
    ) -> list[RunSummary]:
        """The stored runs, newest first. One that nobody works on any more, though it never ended, is ``stopped``.

        Args:
            text: only those with this text in them.
            limit: at most so many.
            offset: how many to pass over.
            before: only those that were made before this moment, in seconds since the epoch.
        """
        found = await asyncio.to_thread(self._store.list_runs, RunFilter(kind=KIND, text=text, made_before=before), limit, offset)
        return [await self._seen_from_here(summary) for summary in found]

    async def count(self, text: str = "") -> int:
        return await asyncio.to_thread(self._store.count_runs, RunFilter(kind=KIND, text=text))

    async def delete(self, run_id: str) -> bool:
        """Stop a run and delete it for good; whether it was stored.

        Raises:
            RunAtWorkError: another process is at work on it, and would store it again.
        """
        await self.stop(run_id)
        if run_id not in self._live:
            with contextlib.suppress(RunNotFoundError, DocumentError):
                _refuse_if_elsewhere(await self._restore(run_id))
        self._live.pop(run_id, None)
        self._tasks.pop(run_id, None)
        return await asyncio.to_thread(self._store.delete_runs, [run_id]) > 0

    async def aclose(self) -> None:
        for run_id in list(self._tasks):
            await self.stop(run_id)

    def _begin(self, run: PlanRun, *, plan: Plan | None, finished: dict[str, StepRun]) -> None:
        self._live[run.id] = run
        task = asyncio.create_task(run.execute(plan=plan, finished=finished))
        self._tasks[run.id] = task
        task.add_done_callback(lambda _: self._forget_oldest())

    async def _seen_from_here(self, summary: RunSummary) -> RunSummary:
        if (live := self._live.get(summary.id)) is not None:
            return replace(summary, status=live.state)
        if summary.status in OVER:
            return summary
        try:
            record = await asyncio.to_thread(self._store.load_run, summary.id)
            return replace(summary, status=state_now(read_run(record)))
        except (DocumentError, RunNotFoundError):
            return replace(summary, status="stopped")

    def _forget_oldest(self) -> None:
        over = [run_id for run_id, task in self._tasks.items() if task.done()]
        for run_id in over[: max(0, len(self._live) - MAX_LIVE)]:
            del self._live[run_id], self._tasks[run_id]

    async def _restore(self, run_id: str) -> PlanRun:
        # Reading a large run takes a while; the runs at work shall not notice.
        return await asyncio.to_thread(self._read, run_id)

    def _read(self, run_id: str) -> PlanRun:
        record = self._store.load_run(run_id)
        if record.kind != KIND:
            raise RunNotFoundError(f"run {run_id!r} is a {record.kind}, not a plan")
        document = read_run(record)
        steps = [read_step(answer) for answer in self._store.load_items(run_id)]
        run = PlanRun(
            self._source,
            document.question,
            document.options,
            run_id=run_id,
            journal=self.journal(run_id),
        )
        run.created_at, run.ended_at, run.pauses = document.created_at, document.ended_at, document.pauses
        run.worker = document.worker
        run.plan, run.plan_is_direct = restored_plan(document), document.plan_is_direct
        run.planning, run.aggregate = document.planning, document.aggregate
        run.answer, run.error = document.answer, document.error
        run.steps = restored_steps(document, steps)
        run.state = state_now(document)
        return run


def _refuse_if_elsewhere(run: PlanRun) -> None:
    if (worker := run.other_worker) is not None:
        raise RunAtWorkError(f"process {worker.pid} is at work on run {run.id!r}; stop it there first")
