"""An evaluation as plain data: what the store keeps, what is exported, and what a run is resumed from."""

from __future__ import annotations

from typing import Any

from pydantic import Field, TypeAdapter, ValidationError

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.closed_model import ClosedModel
from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.measuring.cells import Cell, CellKey, Duel
from multi_llm_comparator.evaluation.measuring.divergence import Divergence
from multi_llm_comparator.evaluation.measuring.learnt import Learnt
from multi_llm_comparator.evaluation.measuring.materials import ItemFacts
from multi_llm_comparator.evaluation.measuring.snapshot import Phase
from multi_llm_comparator.evaluation.measuring.spec import MAX_ITEMS, EvaluationSpec
from multi_llm_comparator.runs.stored import LifeDocument
from multi_llm_comparator.tracking.records import ItemRecord

KIND = "evaluation"
_CELL, _DUEL = TypeAdapter(Cell), TypeAdapter(Duel)


class Score(ClosedModel):
    """How one subject did in one source, for histories that read no answers."""

    subject: str
    target: str
    source: str
    mean: float
    low: float
    high: float
    n: int


class EvaluationDocument(LifeDocument):
    """Everything of an evaluation but its answers and duels, which are stored one by one."""

    of_kind = KIND
    spec: EvaluationSpec
    digest: str = ""
    items: list[ItemFacts] = Field(default=[], max_length=MAX_ITEMS)
    phase: Phase = ""
    scores: list[Score] = Field(default=[])
    learnt: list[Learnt] = Field(default=[])
    divergences: list[Divergence] = Field(default=[])


def cell_item(run_id: str, key: CellKey, cell: Cell) -> ItemRecord:
    """What the store keeps of an answer; its text is kept beside its record."""
    record: dict[str, Any] = _CELL.dump_python(cell, mode="json", exclude={"text"})
    return ItemRecord(
        run_id=run_id,
        key=str(key),
        position=key.item,
        status=cell.state,
        text=cell.text,
        score=cell.value,
        record=record,
        updated_at=now(),
    )


def duel_item(run_id: str, duel: Duel) -> ItemRecord:
    """What the store keeps of a duel."""
    return ItemRecord(
        run_id=run_id,
        key=duel.key,
        position=duel.item,
        status="failed" if duel.error else "done",
        text="\n".join(duel.reasons),
        score=duel.value,
        record=_DUEL.dump_python(duel, mode="json"),
        updated_at=now(),
    )


def read_item(item: ItemRecord) -> tuple[CellKey, Cell] | Duel:
    """A stored answer, or a duel.

    Raises:
        DocumentError: it cannot be read.
    """
    try:
        if item.key.startswith("duel."):
            return _DUEL.validate_python(dict(item.record))
        return CellKey.parse(item.key), _CELL.validate_python({**item.record, "text": item.text})
    except (ValidationError, ValueError) as exc:
        raise DocumentError(f"the stored answer {item.key!r} cannot be read") from exc
