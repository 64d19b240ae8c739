"""What is saved of a plan run: the run, and each step as an item by its id, before anything is built on its answer."""

from __future__ import annotations

from multi_llm_comparator.plans.documents import run_record, step_item
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.step_run import StepRun, StepState
from multi_llm_comparator.runs.recorder import Recorder
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


class PlanJournal:
    """Has a run written down. A run that another process took over cannot be written, and fails."""

    def __init__(self, run: PlanRun) -> None:
        self._run = run
        # What was handed over of each step, so that saving a large run again writes only what is new.
        self._noted: dict[str, tuple[StepRun, StepState]] = {}

    async def save(self, run: PlanRun) -> None:
        changed = [step_id for step_id, step in run.steps.items() if not self._is_noted(step)]
        await self._recorder.commit(*changed, run=True)

    async def record(self, step: StepRun) -> None:
        await self._recorder.commit(step.step.id)

    @property
    def _recorder(self) -> Recorder:
        assert self._run.recorder is not None
        return self._run.recorder

    def run_record(self) -> RunRecord:
        return run_record(self._run)

    def item_record(self, key: str) -> ItemRecord:
        step = self._run.steps[key]
        self._noted[key] = step, step.state
        return step_item(self._run.id, step, list(self._run.steps).index(key))

    def note_save_error(self, message: str | None) -> None:
        """A run whose steps cannot be written down fails, and says so itself."""

    def branch(self) -> None:
        return None

    def _is_noted(self, step: StepRun) -> bool:
        known, state = self._noted.get(step.step.id, (None, None))
        return known is step and state == step.state
