"""Plans as a kind of run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import PlanError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.requests import TextSource
from multi_llm_comparator.plans.documents import PlanRunDocument, end_steps, read_step, restored_plan, restored_steps
from multi_llm_comparator.plans.export import export_plan_run
from multi_llm_comparator.plans.options import KIND, PlanOptions
from multi_llm_comparator.plans.outlook import Outlook
from multi_llm_comparator.plans.plan import Plan
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.stored import take_life
from multi_llm_comparator.runs.task_kind import TaskRunKind
from multi_llm_comparator.runs.task_run import new_run_id
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


async def _nothing_predicted(run: PlanRun) -> None:
    return None


class PlanRegistry(TaskRunKind[PlanRun]):
    """Plan runs, as a kind of run: starts them, and makes new ones from old ones.

    Args:
        runs: where runs live; this kind is made known to it.
        source: what answers.
    """

    name, page, exports, run_class = KIND, "plans", export_plan_run, PlanRun

    def __init__(self, runs: RunRegistry, source: TextSource) -> None:
        super().__init__(runs)
        self._source = source
        # Who predicts plans puts this right.
        self.outlook: Callable[[PlanRun], Awaitable[Outlook | None]] = _nothing_predicted

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        run = (await self.get(run_id)).snapshot()
        return await asyncio.to_thread(self.exports, (run, await self.outlook(run)), format, language)

    async def start(
        self, question: str, options: PlanOptions, *, plan: Plan | None = None, parent_id: str | None = None
    ) -> PlanRun:
        """Answer a question; returns at once with the run at work. With ``plan`` no planner is asked."""
        run = self.recorded(PlanRun(self._source, question, options, run_id=new_run_id()), parent_id=parent_id)
        return await self.launch(run, plan=plan)

    async def launch(
        self, run: PlanRun, *, plan: Plan | None = None, finished: Mapping[str, StepRun] | None = None
    ) -> PlanRun:
        """Have a recorded run executed beside the caller: see :meth:`PlanRun.execute`."""
        # What is there already must be kept even if nothing else comes to be.
        await run.save()
        run.begin(plan=plan, finished=finished)
        self.runs.adopt(run)
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
        run = (await self.get(run_id)).snapshot()
        if not run.is_over or run.plan is None or step_id not in run.plan.by_id:
            raise PlanError(f"run {run_id!r} has no step {step_id!r} that could be solved again: wait for its end")
        again = self.recorded(PlanRun(self._source, run.question, options, run_id=new_run_id()), parent_id=run_id)
        again.created_at, again.pauses = run.created_at, [*run.pauses, (run.last_moment, now())]
        again.planning, again.plan, again.plan_is_direct = run.planning, run.plan, run.plan_is_direct
        kept = {i: step for i, step in run.steps.items() if step.state == "done" and i != step_id}
        # Those that need it may come to be asked something else: as long as that is open they are not done.
        stands = kept.keys() - run.plan.dependents(step_id)
        again.steps = {s.id: kept[s.id] if s.id in stands else StepRun(s) for s in run.plan.steps}
        return await self.launch(again, plan=again.plan, finished=kept)

    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> PlanRun:
        document = PlanRunDocument.read(record)
        run = PlanRun(self._source, document.question, document.options, run_id=record.id)
        take_life(run, document)
        run.pauses, run.answer = document.pauses, document.answer
        run.plan, run.plan_is_direct = restored_plan(document), document.plan_is_direct
        run.planning, run.aggregate = document.planning, document.aggregate
        run.steps = restored_steps(document, [read_step(item) for item in items])
        if run.is_over or record.status == "interrupted":
            end_steps(run.steps.values())
        return run
