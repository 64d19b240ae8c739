"""A job as plain data: what the store keeps beside its curves (points) and samples (items)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.jobs.account import Account, sample_key
from multi_llm_comparator.jobs.events import Artefact, Ended, JobNote, Sample
from multi_llm_comparator.jobs.process import Leftover, Share
from multi_llm_comparator.jobs.snapshot import JobProgress, Trouble
from multi_llm_comparator.jobs.spec import JobSpec
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord, RunState

if TYPE_CHECKING:
    from multi_llm_comparator.jobs.job_run import JobRun

SCHEMA_VERSION = 1
# What a search finds of a job's options.
MAX_SEARCH_CHARS = 20_000


class JobDocument(BaseModel):
    """Everything of a job but curves and samples. ``read_to`` is how much of its events file is in the store."""

    model_config = ConfigDict(extra="forbid")

    spec: JobSpec
    state: RunState
    created_at: float
    begun_at: float | None = None
    ended_at: float | None = None
    # Where it stands in the queue: the lower the sooner.
    place: float = 0.0
    attempt: int = 0
    pid: int | None = None
    # Kept when it is resumed: other threads add numbers up in another order.
    share: Share | None = None
    stop_asked: bool = False
    read_to: int = 0
    phase: str = ""
    progress: JobProgress | None = None
    notes: list[JobNote] = []
    artefacts: list[Artefact] = []
    result: dict[str, Any] | None = None
    outcome: Ended | None = None
    error: Trouble | None = None
    leftovers: list[Leftover] = []
    # Of the GPUs that it was given: held by nobody as it began.
    gpu_bytes_before: int | None = None
    series: list[str] = []


def run_record(run: JobRun) -> RunRecord:
    """What the store keeps of a job."""
    account = run.account
    document = JobDocument(
        spec=run.spec,
        state=run.state,
        created_at=run.created_at,
        begun_at=run.begun_at,
        ended_at=run.ended_at,
        place=run.place,
        attempt=run.attempt,
        pid=run.pid,
        share=run.share,
        stop_asked=run.is_stop_asked,
        read_to=run.telling.stored_to,
        phase=account.phase,
        progress=account.progress,
        notes=list(account.notes),
        artefacts=list(account.artefacts.values()),
        result=dict(account.result) if account.result is not None else None,
        outcome=account.ended,
        error=run.error,
        leftovers=list(run.leftovers),
        gpu_bytes_before=run.gpu_memory.before if run.gpu_memory is not None else None,
        series=list(account.series),
    )
    return RunRecord(
        id=run.id,
        kind=run.kind,
        title=run.title,
        detail=detail_of(run),
        status=run.state,
        phase=run.phase,
        created_at=run.created_at,
        updated_at=now(),
        models=models_of(run.spec),
        schema_version=SCHEMA_VERSION,
        document=document.model_dump(mode="json"),
        search_text=json.dumps(run.spec.options, ensure_ascii=False)[:MAX_SEARCH_CHARS],
    )


def detail_of(run: JobRun) -> str:
    """One line about a job: how far it is, or what came out."""
    if run.error is not None:
        return run.error.text
    progress = run.account.progress
    said = []
    if progress is not None:
        said.append(f"{progress.done} of {progress.total} {progress.unit}")
    for name, curve in run.account.curves().items():
        if name in ("loss", "validation_loss") and curve:
            said.append(f"{name.replace('_', ' ')} {curve[-1].value:.4g}")
    return ", ".join(said)


def models_of(spec: JobSpec) -> tuple[str, ...]:
    """The models that a job is about, as its options name them."""
    named = (spec.options.get(name) for name in ("model", "model_name"))
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str) and name))


def read_document(record: RunRecord) -> JobDocument:
    """Raises DocumentError: written by a newer version, or damaged."""
    if record.schema_version > SCHEMA_VERSION:
        raise DocumentError(f"job {record.id!r} was stored by a newer version of the workbench; update this one")
    try:
        return JobDocument.model_validate(record.document)
    except ValidationError as exc:
        raise DocumentError(f"what is stored of job {record.id!r} is damaged: {exc.error_count()} fields") from exc


def restored_account(document: JobDocument, items: list[Sample]) -> Account:
    """What a job had told, without its curves."""
    account = Account()
    account.phase, account.progress = document.phase, document.progress
    account.notes = list(document.notes)
    account.artefacts = {artefact.path: artefact for artefact in document.artefacts}
    account.result, account.ended = document.result, document.outcome
    for sample in items:
        account.add_sample(sample)
    return account


def sample_item(run_id: str, sample: Sample) -> ItemRecord:
    return ItemRecord(
        run_id=run_id,
        key=sample_key(sample),
        position=sample.step,
        status="done",
        text=sample.answer,
        score=sample.score,
        record=sample.model_dump(mode="json", exclude={"answer"}),
    )


def read_sample(item: ItemRecord) -> Sample:
    """Raises DocumentError: damaged."""
    try:
        return Sample.model_validate({**item.record, "answer": item.text})
    except ValidationError as exc:
        raise DocumentError(f"sample {item.key!r} of job {item.run_id!r} is damaged") from exc
