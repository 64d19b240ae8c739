"""A job as a file: everything that is known of it, as JSON; its curves as a table."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.core.spreadsheet import BYTE_ORDER_MARK, csv_text
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.runs.exporting import Exports


def job_data(job: JobSnapshot) -> dict[str, Any]:
    """Everything of a job as plain data, but for the files that it made."""
    return {
        "id": job.id,
        "kind": job.spec.kind,
        "title": job.title,
        "spec": job.spec.model_dump(mode="json"),
        "state": job.state,
        "error": asdict(job.error) if job.error else None,
        "created": job.created,
        "begun": job.begun,
        "ended": job.ended,
        "attempts": job.attempt,
        "parent_id": job.parent_id,
        "progress": asdict(job.progress) if job.progress else None,
        "result": job.result,
        "curves": {name: [[p.step, p.value, p.at] for p in curve] for name, curve in job.curves.items()},
        "samples": [sample.model_dump(mode="json", exclude={"event"}) for sample in job.samples],
        "notes": [note.model_dump(mode="json", exclude={"event"}) for note in job.notes],
        "artefacts": [artefact.model_dump(mode="json", exclude={"event"}) for artefact in job.artefacts],
        "log_tail": list(job.log_tail),
    }


def curves_csv(job: JobSnapshot) -> str:
    """A row for each point of each curve; of a job without any, the heading alone."""
    rows = (
        {"series": name, "step": point.step, "value": point.value, "measured_at_utc": iso_time(point.at)}
        for name, curve in job.curves.items()
        for point in curve
    )
    return BYTE_ORDER_MARK + csv_text(rows, names=("series", "step", "value", "measured_at_utc"))


export_job = Exports[JobSnapshot](
    "a job", json=lambda job, _: json_text(job_data(job)), csv=lambda job, _: curves_csv(job)
)
