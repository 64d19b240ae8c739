"""A plan run as plain data: what the store keeps, what is exported, and what a run is resumed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, TypeAdapter, ValidationError, field_validator

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.options import KIND, Phase, PlanOptions
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.runs.stored import LifeDocument, life_of
from multi_llm_comparator.tracking.records import ItemRecord

if TYPE_CHECKING:
    from multi_llm_comparator.plans.plan_run import PlanRun

_STEP_RUN = TypeAdapter(StepRun)


class PlanRunDocument(LifeDocument):
    """Everything of a run but its steps' outcomes, which are stored one by one as they end."""

    of_kind = KIND

    @field_validator("state", mode="before")
    @classmethod
    def _as_called_now(cls, state: Any) -> Any:
        """The first release had more states; their phases are in the table since the store was migrated."""
        return {"new": "queued", "planning": "running", "aggregating": "running"}.get(state, state)

    question: str
    options: PlanOptions
    phase: Phase = ""
    # The first release kept here who was at work.
    worker: WorkingProcess | None = None
    pauses: list[tuple[float, float]] = Field(default=[])
    steps: tuple[Step, ...] | None = None
    plan_is_direct: bool = False
    planning: list[PlanningAttempt] = Field(default=[])
    aggregate: AnswerProgress | None = None
    answer: str | None = None


def run_document(run: PlanRun) -> PlanRunDocument:
    # The attempts' plans are the run's own, or unusable: either way their text says it all.
    planning = [replace(attempt, plan=None) for attempt in run.planning]
    return PlanRunDocument(
        question=run.question,
        options=run.options,
        pauses=run.pauses,
        steps=run.plan.steps if run.plan else None,
        plan_is_direct=run.plan_is_direct,
        planning=planning,
        aggregate=run.aggregate,
        answer=run.answer,
        **life_of(run),
    )


def step_item(run_id: str, step: StepRun, position: int = 0) -> ItemRecord:
    """What the store keeps of a step, the ``position``-th of its plan."""
    document: dict[str, Any] = _STEP_RUN.dump_python(step, mode="json")
    return ItemRecord(
        run_id=run_id,
        key=step.step.id,
        position=position,
        status=step.state,
        text=step.answer or "",
        record=document,
    )


def read_step(record: ItemRecord) -> StepRun:
    """A stored step.

    Raises:
        DocumentError: it cannot be read.
    """
    try:
        return _STEP_RUN.validate_python(dict(record.record))
    except ValidationError as exc:
        raise DocumentError(f"the stored step {record.key!r} cannot be read") from exc


def restored_plan(document: PlanRunDocument) -> Plan | None:
    return Plan(document.steps) if document.steps is not None else None


def end_steps(steps: Iterable[StepRun]) -> None:
    """Nobody works on the run any more: none of its steps is still at work."""
    for step in steps:
        if not step.is_over:
            was_begun = step.state == "running"
            step.state, step.error = ("stopped", None) if was_begun else ("skipped", "the run was stopped")


def restored_steps(document: PlanRunDocument, stored: list[StepRun]) -> dict[str, StepRun]:
    """The steps of the stored run, by id, in the order of its plan.

    What is stored of a plan that was given up are no steps of this run.
    """
    if document.steps is not None:
        known = {step.step.id: step for step in stored}
        return {s.id: known[s.id] for s in document.steps if s.id in known and known[s.id].step == s}
    given_up = {(i, s.started_at) for attempt in document.planning for i, s in attempt.begun.items()}
    left = [s for s in stored if (s.step.id, s.started_at) not in given_up]
    return {s.step.id: s for s in sorted(left, key=lambda s: s.arrived_at)}
