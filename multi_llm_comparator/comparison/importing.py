"""Reading a run that was exported as JSON, by anybody, anywhere."""

from __future__ import annotations

import uuid
from dataclasses import asdict
from typing import Any, Literal

from pydantic import Field

from multi_llm_comparator.comparison import limits
from multi_llm_comparator.comparison.documents import (
    KIND,
    SCHEMA_VERSION,
    ImageDocument,
    Moment,
    Ordinal,
    PaneId,
    answer_items,
    conversation_from,
    image_item,
    item_key,
    run_record,
    validated,
)
from multi_llm_comparator.comparison.pane import check_panes
from multi_llm_comparator.comparison.snapshots import ImportedFrom
from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

FORMAT = "multi-llm-comparator run"
MAX_IMPORT_BYTES = limits.MAX_UPLOAD_BYTES


class ExportedAnswer(ClosedModel):
    """One answer of an exported run; ``state`` and ``figures`` follow from the record and are for other readers."""

    id: str = Field(max_length=64)
    turn: Ordinal
    pane_id: PaneId
    attempt: Ordinal
    state: str
    text: str
    record: dict[str, Any]
    figures: dict[str, Any]


class ExportedRun(ClosedModel):
    """An exported run, as :func:`export_json` writes it."""

    format: Literal["multi-llm-comparator run"]
    schema_version: int
    exported_at: Moment
    id: str = Field(max_length=64)
    title: str = Field(max_length=limits.MAX_TITLE_CHARS)
    created_at: Moment
    run: dict[str, Any]
    answers: tuple[ExportedAnswer, ...] = Field(
        max_length=limits.MAX_TURNS * limits.MAX_PANES * limits.MAX_ATTEMPTS,
    )
    images: tuple[ImageDocument, ...] = Field(default=(), max_length=limits.MAX_RUN_IMAGES)


def import_run(data: bytes) -> tuple[RunRecord, list[ItemRecord]]:
    """Check an exported run and give it, and its answers, new ids; where it came from is recorded in it.

    Raises:
        DocumentError: not an exported run, of another schema version, too large, or with parameters out of range.
    """
    what = "the file"
    raw = read_json(data, what, MAX_IMPORT_BYTES)
    if not isinstance(raw, dict) or raw.get("format") != FORMAT:
        raise DocumentError("the file is not a run exported as JSON; choose one that the export made")
    if raw.get("schema_version") != SCHEMA_VERSION:
        raise DocumentError(
            f"the file has schema version {raw.get('schema_version')!r}; this version reads {SCHEMA_VERSION}"
        )
    exported = validated(ExportedRun, raw, what)
    run = _run(exported)
    try:
        items = [_answer(answer, run.id) for answer in exported.answers]
        items += [image_item(run.id, image.image()) for image in exported.images]
        snapshot = conversation_from(run, items).snapshot()
        check_panes(snapshot.panes)
    except ConfigurationError as exc:
        raise DocumentError(f"{what} cannot be used here: {exc}") from exc
    # Written anew from what was understood, so that nothing else of the file reaches the store.
    return run_record(snapshot), answer_items(snapshot)


def _run(exported: ExportedRun) -> RunRecord:
    origin = ImportedFrom(run_id=exported.id, created_at=exported.created_at, imported_at=now())
    panes = exported.run.get("panes")
    document = {**exported.run, "panes": [_harmless(pane) for pane in panes] if isinstance(panes, list) else panes}
    return RunRecord(
        id=uuid.uuid4().hex,
        kind=KIND,
        title=" ".join(exported.title.split()),
        status="done",
        created_at=origin.imported_at,
        updated_at=origin.imported_at,
        document={**document, "imported_from": asdict(origin)},
        schema_version=SCHEMA_VERSION,
    )


def _answer(exported: ExportedAnswer, run_id: str) -> ItemRecord:
    return ItemRecord(
        run_id=run_id,
        key=item_key(exported.turn, exported.pane_id),
        attempt=exported.attempt,
        position=exported.turn,
        status=exported.state,
        text=exported.text,
        record=_harmless(exported.record),
    )


def _harmless(holder: Any) -> Any:
    """Leave out the leave to run a model's own code: that is asked here, for each model, whatever a file says."""
    config = holder.get("config") if isinstance(holder, dict) else None
    return {**holder, "config": {**config, "trust_remote_code": False}} if isinstance(config, dict) else holder
