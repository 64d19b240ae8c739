"""A run as it is at one moment, for readers on other threads."""

from __future__ import annotations

import copy
from dataclasses import replace

from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.planner import PlanningAttempt
from multi_llm_comparator.plans.step_run import StepRun


def snapshot_of(run: PlanRun) -> PlanRun:
    """A copy that does not change any more. To be taken on the event loop that the run lives on."""
    taken = copy.copy(run)
    taken.pauses = list(run.pauses)
    taken.planning = [_planning(attempt) for attempt in run.planning]
    taken.steps = {step_id: _step(step) for step_id, step in run.steps.items()}
    taken.aggregate = None if run.aggregate is None else replace(run.aggregate)
    return taken


def _planning(attempt: PlanningAttempt) -> PlanningAttempt:
    begun = {step_id: _step(step) for step_id, step in attempt.begun.items()}
    return replace(attempt, progress=replace(attempt.progress), repairs=list(attempt.repairs), begun=begun)


def _step(step: StepRun) -> StepRun:
    return replace(step, attempts=[replace(a, progress=replace(a.progress)) for a in step.attempts])
