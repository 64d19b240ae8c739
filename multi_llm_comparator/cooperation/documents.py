"""A cooperation as plain data: what the store keeps, and what a run is resumed from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, TypeAdapter, ValidationError

from multi_llm_comparator.cooperation.calls import Call
from multi_llm_comparator.cooperation.outcome import Count, Outcome
from multi_llm_comparator.cooperation.snapshot import Phase
from multi_llm_comparator.cooperation.spec import PREFIX, CooperationSpec
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.runs.stored import LifeDocument, life_of, record_of
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

if TYPE_CHECKING:
    from multi_llm_comparator.cooperation.run import CooperationRun

KIND = "cooperation"
_CALL = TypeAdapter(Call)


class CooperationDocument(LifeDocument):
    """Everything of a run but its calls, which are stored one by one."""

    of_kind = KIND
    spec: CooperationSpec
    phase: Phase = ""
    counts: list[Count] = Field(default=[])
    outcome: Outcome | None = None


def run_record(run: CooperationRun) -> RunRecord:
    """What the store keeps of a run; its line in lists names mode and members."""
    counts = [run.counts[n] for n in sorted(run.counts)]
    document = CooperationDocument(spec=run.spec, counts=counts, outcome=run.outcome, **life_of(run))
    answer = run.outcome.answer if run.outcome else ""
    return record_of(
        run,
        document,
        detail=f"{run.spec.mode}: {', '.join(run.spec.targets)}",
        models=(*run.spec.targets, f"{PREFIX}{run.spec.mode}"),
        search_text=f"{run.spec.question}\n{answer}",
    )


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
