"""A run that begins as another one did."""

from __future__ import annotations

import uuid
from dataclasses import replace

from multi_llm_comparator.comparison.documents import IMAGES, answer_items, run_record
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


def first_turns(snapshot: ComparisonSnapshot, count: int) -> tuple[RunRecord, list[ItemRecord]]:
    """The first turns of a run, with all their answers, as a run of its own that begins now."""
    head = replace(
        snapshot,
        id=uuid.uuid4().hex,
        created_at=now(),
        turns=snapshot.turns[:count],
        is_running=False,
        waiting_prompts=0,
        save_error=None,
    )
    return run_record(head), [_as_another(item) for item in answer_items(head)]


def _as_another(item: ItemRecord) -> ItemRecord:
    if item.key.startswith(IMAGES):
        return item
    return replace(item, record={**item.record, "id": uuid.uuid4().hex})
