"""A cooperation as plain data: what the store keeps, and what a run is resumed from."""

from __future__ import annotations

from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.outcome import Count, Outcome
from multi_llm_comparator.cooperation.snapshot import Phase
from multi_llm_comparator.cooperation.spec import CooperationSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.stored import LifeDocument
from multi_llm_comparator.tracking.records import ItemRecord

KIND = "cooperation"
_CALL = TypeAdapter(Call)


class CooperationDocument(LifeDocument):
    """Everything of a run but its calls, which are stored one by one."""

    of_kind = KIND
    spec: CooperationSpec
    phase: Phase = ""
    counts: list[Count] = Field(default=[])
    outcome: Outcome | None = None


def call_item(run_id: str, call: Call, position: int) -> ItemRecord:
    """What the store keeps of a call, the ``position``-th of its run."""
    record: dict[str, Any] = _CALL.dump_python(call, mode="json")
    return ItemRecord(
        run_id=run_id,
        key=call.key,
        position=position,
        status=call.progress.state if call.progress.is_over else "running",
        text=call.text,
        record=record,
    )


def read_call(item: ItemRecord) -> Call:
    """A stored call. One that was at work when it was stored is stopped: nobody works on it any more.

    Raises:
        DocumentError: it cannot be read.
    """
    try:
        call = _CALL.validate_python(dict(item.record))
    except ValidationError as exc:
        raise DocumentError(f"the stored call {item.key!r} cannot be read") from exc
    if not call.progress.is_over:
        call.progress.state = "stopped"
    return call
