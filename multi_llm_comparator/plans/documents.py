"""A plan run as plain data: what the store keeps, what is exported, and what a run is resumed from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.plan import Plan, Step
from multi_llm_comparator.plans.plan_run import OVER, PlanOptions, PlanRun, RunState
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.step_run import StepRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

KIND = "plan"
SCHEMA_VERSION = 1
_STEP_RUN = TypeAdapter(StepRun)


class PlanRunDocument(BaseModel):
    """Everything of a run but its steps' outcomes, which are stored one by one as they end."""

    model_config = ConfigDict(extra="forbid")

    question: str
    options: PlanOptions
    state: RunState
    created_at: float
    ended_at: float | None = None
    worker: WorkingProcess | None = None
    pauses: list[tuple[float, float]] = []
    steps: tuple[Step, ...] | None = None
    plan_is_direct: bool = False
    planning: list[PlanningAttempt] = []
    aggregate: AnswerProgress | None = None
    answer: str | None = None
    error: str | None = None


def run_document(run: PlanRun) -> PlanRunDocument:
    # The attempts' plans are the run's own, or unusable: either way their text says it all.
    planning = [replace(attempt, plan=None) for attempt in run.planning]
    return PlanRunDocument(
        question=run.question,
        options=run.options,
        state=run.state,
        created_at=run.created_at,
        ended_at=run.ended_at,
        pauses=run.pauses,
        steps=run.plan.steps if run.plan else None,
        plan_is_direct=run.plan_is_direct,
        planning=planning,
        aggregate=run.aggregate,
        answer=run.answer,
        error=run.error,
    )


def run_record(run: PlanRun) -> RunRecord:
    """What the store keeps of a run; its line in lists names the models."""
    executor = run.options.executor
    names = dict.fromkeys((run.options.router_model, executor.small_model, executor.large_model))
    # Who is at work matters to those who share the store, not to those who are given the run.
    document = run_document(run).model_copy(update={"worker": None if run.is_over else run.worker})
    return RunRecord(
        id=run.id,
        kind=KIND,
        title=run.question[:200],
        detail=", ".join(filter(None, names)),
        models=tuple(filter(None, names)),
        status=run.state,
        created_at=run.created_at,
        updated_at=now(),
        document=document.model_dump(mode="json"),
        search_text=f"{run.question}\n{run.answer or ''}",
        schema_version=SCHEMA_VERSION,
    )


def step_item(run_id: str, step: StepRun) -> ItemRecord:
    """What the store keeps of a step."""
    document: dict[str, Any] = _STEP_RUN.dump_python(step, mode="json")
    return ItemRecord(
        run_id=run_id,
        key=step.step.id,
        status=step.state,
        text=step.answer or "",
        record=document,
        updated_at=now(),
    )


def read_run(record: RunRecord) -> PlanRunDocument:
    """The stored run.

    Raises:
        DocumentError: it is no plan run, or not one that this version can read.
    """
    if record.kind != KIND:
        raise DocumentError(f"run {record.id!r} is a {record.kind}, not a plan")
    try:
        return PlanRunDocument.model_validate(dict(record.document))
    except ValidationError as exc:
        raise DocumentError(f"the stored plan {record.id!r} cannot be read: {exc.error_count()} problems") from exc


def read_step(record: ItemRecord) -> StepRun:
    """A stored step.

    Raises:
        DocumentError: it cannot be read.
    """
    try:
        return _STEP_RUN.validate_python(dict(record.record))
    except ValidationError as exc:
        raise DocumentError(f"the stored step {record.key!r} cannot be read") from exc


def state_now(document: PlanRunDocument) -> RunState:
    """The state of a stored run. One that is not over, and that no other living process is working on, was stopped."""
    if document.state in OVER or (document.worker is not None and document.worker.is_other):
        return document.state
    return "stopped"


def restored_plan(document: PlanRunDocument) -> Plan | None:
    return Plan(document.steps) if document.steps is not None else None


def restored_steps(document: PlanRunDocument, stored: list[StepRun]) -> dict[str, StepRun]:
    """The steps of the stored run, by id, in the order of its plan. If the run is over, so are all of them.

    What is stored of a plan that was given up are no steps of this run.
    """
    if state_now(document) in OVER:
        for step in (s for s in stored if not s.is_over):
            was_begun = step.state == "running"
            step.state, step.error = ("stopped", None) if was_begun else ("skipped", "the run was stopped")
    if document.steps is not None:
        known = {step.step.id: step for step in stored}
        return {s.id: known[s.id] for s in document.steps if s.id in known and known[s.id].step == s}
    given_up = {(i, s.started_at) for attempt in document.planning for i, s in attempt.begun.items()}
    left = [s for s in stored if (s.step.id, s.started_at) not in given_up]
    return {s.step.id: s for s in sorted(left, key=lambda s: s.arrived_at)}
