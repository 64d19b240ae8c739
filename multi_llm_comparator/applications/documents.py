"""A service as plain data: what the store keeps, and what a run is resumed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from multi_llm_comparator.applications.answers import Answered
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.results import RESULTS, Result
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord, RunState

if TYPE_CHECKING:
    from multi_llm_comparator.applications.run import ServiceRun

KIND = "service"
SCHEMA_VERSION = 1
MAX_SEARCHED_CHARS = 200_000
# Items beside the answers.
DOCUMENT, RESULT = "document", "result"
_READ: TypeAdapter[Reading | Data] = TypeAdapter(Reading | Data)


class ServiceDocument(BaseModel):
    """Everything of a service but its document, its answers and its result, which are stored one by one."""

    model_config = ConfigDict(extra="forbid")

    spec: ServiceSpec
    state: RunState
    phase: str = ""
    created_at: float
    ended_at: float | None = None
    worked_s: float = 0.0
    error: str | None = None


class RecordedService:
    """Tells the recorder what to write. A run that another process took over cannot be written, and fails."""

    def __init__(self, run: ServiceRun) -> None:
        self._run = run

    def run_record(self) -> RunRecord:
        run = self._run
        document = ServiceDocument(
            spec=run.spec,
            state=run.state,
            phase=run.phase,
            created_at=run.created_at,
            ended_at=run.ended_at,
            worked_s=run.worked_s,
            error=run.error,
        )
        return RunRecord(
            id=run.id,
            kind=KIND,
            title=run.title,
            detail=f"{run.spec.service_type}, {run.spec.kind}{f': {run.spec.target}' if run.spec.target else ''}",
            models=(run.spec.target,) if run.spec.target else (),
            status=run.state,
            phase=run.phase,
            created_at=run.created_at,
            updated_at=now(),
            document=document.model_dump(mode="json"),
            search_text=(run.result.text if run.result else run.title)[:MAX_SEARCHED_CHARS],
            schema_version=SCHEMA_VERSION,
        )

    def item_record(self, key: str) -> ItemRecord:
        run = self._run
        if key == DOCUMENT and run.read is not None:
            return self._item(key, 0, "", {"read": run.read.model_dump(mode="json")})
        if key == RESULT and run.result is not None:
            return self._item(key, 1, run.result.text, {"result": run.result.model_dump(mode="json")})
        answer = run.answers[key]
        status = "done" if answer.is_done else "failed"
        position = 2 + list(run.answers).index(key)
        record = {name: value for name, value in answer.to_dict().items() if name != "text"}
        return self._item(key, position, answer.text, {"answer": record}, status)

    def _item(self, key: str, position: int, text: str, record: dict[str, object], status: str = "done") -> ItemRecord:
        return ItemRecord(
            run_id=self._run.id,
            key=key,
            position=position,
            status=status,
            text=text,
            record=record,
            updated_at=now(),
        )

    def note_save_error(self, message: str | None) -> None:
        """A run whose answers cannot be written down fails, and says so itself."""

    def branch(self) -> None:
        return None


def read_run(record: RunRecord) -> ServiceDocument:
    """The stored run.

    Raises:
        DocumentError: it is no service, or not one that this version can read.
    """
    if record.kind != KIND or record.schema_version != SCHEMA_VERSION:
        raise DocumentError(
            f"run {record.id!r} is a {record.kind} of schema version {record.schema_version}; this version reads "
            f"services of version {SCHEMA_VERSION}"
        )
    try:
        return ServiceDocument.model_validate(dict(record.document))
    except ValidationError as exc:
        raise DocumentError(f"the stored service {record.id!r} cannot be read: {exc.error_count()} problems") from exc


def read_item(item: ItemRecord) -> Reading | Data | Result | Answered:
    """What an item holds.

    Raises:
        DocumentError: it cannot be read.
    """
    try:
        if item.key == DOCUMENT:
            return _READ.validate_python(item.record["read"])
        if item.key == RESULT:
            return RESULTS.validate_python(item.record["result"])
        return Answered.from_dict({**item.record["answer"], "text": item.text})
    except (ValidationError, KeyError, TypeError) as exc:
        raise DocumentError(f"the stored item {item.key!r} cannot be read") from exc
