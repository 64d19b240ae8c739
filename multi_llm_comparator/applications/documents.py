"""A service as plain data: what the store keeps, and what a run is resumed from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from multi_llm_comparator.applications.answers import Answered
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.results import RESULTS, Result
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.stored import LifeDocument, life_of, record_of
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

if TYPE_CHECKING:
    from multi_llm_comparator.applications.run import ServiceRun

KIND = "service"
# Items beside the answers.
DOCUMENT, RESULT = "document", "result"
_READ: TypeAdapter[Reading | Data] = TypeAdapter(Reading | Data)


class ServiceDocument(LifeDocument):
    """Everything of a service but its document, its answers and its result, which are stored one by one."""

    of_kind = KIND
    spec: ServiceSpec
    worked_s: float = 0.0


def run_record(run: ServiceRun) -> RunRecord:
    """What the store keeps of a run; its line in lists says which service, and whom it asks."""
    return record_of(
        run,
        ServiceDocument(spec=run.spec, worked_s=run.worked_s, **life_of(run)),
        detail=f"{run.spec.service_type}, {run.spec.kind}{f': {run.spec.target}' if run.spec.target else ''}",
        models=[run.spec.target] if run.spec.target else [],
        search_text=run.result.text if run.result else run.title,
    )


def item_record(run: ServiceRun, key: str) -> ItemRecord:
    """What was read, the result, or an answer."""
    if key == DOCUMENT and run.read is not None:
        return _item(run, key, 0, "", {"read": run.read.model_dump(mode="json")})
    if key == RESULT and run.result is not None:
        return _item(run, key, 1, run.result.text, {"result": run.result.model_dump(mode="json")})
    answer = run.answers[key]
    status = "done" if answer.is_answer else "failed"
    position = 2 + list(run.answers).index(key)
    record = {name: value for name, value in answer.to_dict().items() if name != "text"}
    return _item(run, key, position, answer.text, {"answer": record}, status)


def _item(
    run: ServiceRun, key: str, position: int, text: str, record: dict[str, object], status: str = "done"
) -> ItemRecord:
    return ItemRecord(run_id=run.id, key=key, position=position, status=status, text=text, record=record)


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
