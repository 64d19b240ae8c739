"""A run of one coroutine as the store keeps it: what is the same for every kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import RunRecord, RunState

# Of what a run asked, what a search in lists of runs finds.
MAX_SEARCHED_CHARS = 200_000


class LifeDocument(BaseModel):
    """The part of a run's document that every kind has. ``of_kind`` are the runs that it is of, ``schema_version`` the
    newest form of it that this version of the workbench knows."""

    model_config = ConfigDict(extra="forbid")
    of_kind: ClassVar[str]
    schema_version: ClassVar[int] = 1

    state: RunState
    phase: str = ""
    created_at: float
    ended_at: float | None = None
    error: str | None = None

    @classmethod
    def read(cls, record: RunRecord) -> Self:
        """The document of a stored run.

        Raises:
            DocumentError: it is of another kind, written by a newer version, or damaged.
        """
        kind, version = cls.of_kind, cls.schema_version
        if record.kind != kind or record.schema_version > version:
            raise DocumentError(
                f"run {record.id!r} is a {record.kind} of schema version {record.schema_version}; this version reads "
                f"a {kind} up to version {version}"
            )
        try:
            return cls.model_validate(dict(record.document))
        except ValidationError as exc:
            raise DocumentError(
                f"the stored {kind} {record.id!r} cannot be read: {exc.error_count()} problems; open it with the "
                "version that wrote it"
            ) from exc


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
    document: LifeDocument,
    *,
    detail: str,
    models: Iterable[str],
    search_text: str,
) -> RunRecord:
    """What the store keeps of a run.

    Args:
        run: the run.
        document: everything of it but its items.
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
        schema_version=document.schema_version,
    )
