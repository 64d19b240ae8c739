"""A service as plain data: what the store keeps, and what a run is resumed from."""

from __future__ import annotations

from pydantic import TypeAdapter, ValidationError

from multi_llm_comparator.applications.answers import Answered
from multi_llm_comparator.applications.insight.figures import Data
from multi_llm_comparator.applications.reading.pieces import Reading
from multi_llm_comparator.applications.results import RESULTS, Result
from multi_llm_comparator.applications.spec import ServiceSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.stored import LifeDocument
from multi_llm_comparator.tracking.records import ItemRecord

KIND = "service"
# Items beside the answers.
DOCUMENT, RESULT = "document", "result"
_READ: TypeAdapter[Reading | Data] = TypeAdapter(Reading | Data)


class ServiceDocument(LifeDocument):
    """Everything of a service but its document, its answers and its result, which are stored one by one."""

    of_kind = KIND
    spec: ServiceSpec
    worked_s: float = 0.0


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
