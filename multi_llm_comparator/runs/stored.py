"""A run of one coroutine as the store keeps it: what is the same for every kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import RunRecord, RunState

# Of what a run asked, what a search in lists of runs finds.
MAX_SEARCHED_CHARS = 200_000

D = TypeVar("D", bound=BaseModel)


class LifeDocument(BaseModel):
    """The part of a run's document that every kind has."""

    model_config = ConfigDict(extra="forbid")

    state: RunState
    phase: str = ""
    created_at: float
    ended_at: float | None = None
    error: str | None = None


def life_of(run: TaskRun[Any, Any]) -> dict[str, Any]:
    """What a :class:`LifeDocument` says of a run."""
    return {
        "state": run.state,
        "phase": run.phase,
        "created_at": run.created_at,
        "ended_at": run.ended_at,
        "error": run.error,
    }


def take_life(run: TaskRun[Any, Any], document: LifeDocument) -> None:
    """Become what :func:`life_of` has stored."""
    run.state, run.phase = document.state, document.phase
    run.created_at, run.ended_at, run.error = document.created_at, document.ended_at, document.error


def record_of(
    run: TaskRun[Any, Any],
    document: BaseModel,
    version: int,
    *,
    detail: str,
    models: Iterable[str],
    search_text: str,
) -> RunRecord:
    """What the store keeps of a run.

    Args:
        run: the run.
        document: everything of it but its items.
        version: of the document's form.
        detail: its line in lists.
        models: what it asks; names that are there twice count once.
        search_text: what a search finds beside title and detail.
    """
    return RunRecord(
        id=run.id,
        kind=run.kind,
        title=run.title,
        detail=detail,
        models=tuple(dict.fromkeys(models)),
        status=run.state,
        phase=run.phase,
        created_at=run.created_at,
        updated_at=now(),
        document=document.model_dump(mode="json"),
        search_text=search_text[:MAX_SEARCHED_CHARS],
        schema_version=version,
    )


def read_document(record: RunRecord, form: type[D], kind: str, version: int) -> D:
    """The document of a stored run.

    Args:
        record: the run.
        form: what its document is.
        kind: what the run must be.
        version: the newest form that this version of the workbench knows.

    Raises:
        DocumentError: it is of another kind, written by a newer version, or damaged.
    """
    if record.kind != kind or record.schema_version > version:
        raise DocumentError(
            f"run {record.id!r} is a {record.kind} of schema version {record.schema_version}; this version reads "
            f"a {kind} up to version {version}"
        )
    try:
        return form.model_validate(dict(record.document))
    except ValidationError as exc:
        raise DocumentError(
            f"the stored {kind} {record.id!r} cannot be read: {exc.error_count()} problems; open it with the version "
            "that wrote it"
        ) from exc
