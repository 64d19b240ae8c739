"""A plan run as CSV: one row for each step, with units in the names of columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, fields

from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.core.spreadsheet import BYTE_ORDER_MARK, csv_text
from multi_llm_comparator.plans.metrics import StepMetrics, step_metrics
from multi_llm_comparator.plans.plan_run import PlanRun


def export_csv(run: PlanRun) -> str:
    """All steps of the plan in use; of a run without any, the heading alone."""
    names = ("run_id", "question", *(f.name for f in fields(StepMetrics)), "task", "rely", "token", "answer", "error",
             "ready_at_utc", "started_at_utc", "ended_at_utc")  # fmt: skip
    return BYTE_ORDER_MARK + csv_text(_rows(run), names=names)


def _rows(run: PlanRun) -> Iterator[dict[str, object]]:
    for step in run.steps.values():
        yield {
            "run_id": run.id,
            "question": run.question,
            **asdict(step_metrics(step)),
            "task": step.step.task,
            "rely": ", ".join(step.step.rely),
            "token": step.step.token,
            "answer": step.answer or "",
            "error": step.error or "",
            "ready_at_utc": iso_time(step.ready_at),
            "started_at_utc": iso_time(step.started_at),
            "ended_at_utc": iso_time(step.ended_at),
        }
