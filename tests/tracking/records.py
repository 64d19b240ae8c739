"""Runs and items to fill a store with."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.tracking.records import ItemRecord, RunRecord


def a_run(run_id: str = "r1", **changes: Any) -> RunRecord:
    fields = {
        "kind": "comparison",
        "title": "Capitals",
        "detail": "demo-small, demo-large",
        "models": ("demo-large", "demo-small"),
        "status": "done",
        "created_at": 1000.0,
        "updated_at": 1000.5,
        "document": {"turns": [{"prompt": "hi"}], "深": [1, 2.5, None, True]},
        "search_text": "What is the capital of France?",
    }
    return RunRecord(id=run_id, **{**fields, **changes})


def an_item(key: str = "0/p1", run_id: str = "r1", **changes: Any) -> ItemRecord:
    fields = {
        "status": "done",
        "text": "Paris.",
        "record": {"legs": []},
        "updated_at": 1001.0,
    }
    return ItemRecord(key=key, run_id=run_id, **{**fields, **changes})
