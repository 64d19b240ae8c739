"""A cooperation as a file: a page to read anywhere, everything as data, or a report in Markdown."""

from __future__ import annotations

from typing import Any

from multi_llm_comparator.cooperation.export_html import to_html
from multi_llm_comparator.cooperation.export_markdown import to_markdown
from multi_llm_comparator.cooperation.snapshot import CooperationSnapshot
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.runs.exporting import Exports


def cooperation_data(run: CooperationSnapshot) -> dict[str, Any]:
    """Everything, as plain data: what was asked of whom, each answer, the votes, and what came of it."""
    from pydantic_core import to_jsonable_python

    return {
        "format": "multi-llm-comparator cooperation",
        "id": run.id,
        "title": run.title,
        "state": run.state,
        "created_at": iso_time(run.created_at),
        "ended_at": iso_time(run.ended_at),
        "error": run.error,
        "spec": run.spec.model_dump(mode="json"),
        "outcome": to_jsonable_python(run.outcome),
        "counts": to_jsonable_python(run.counts),
        "figures": to_jsonable_python(run.figures()),
        "calls": [to_jsonable_python(call) for call in run.calls.values()],
    }


export_cooperation = Exports[CooperationSnapshot](
    "a cooperation", html=to_html, json=lambda run, _: json_text(cooperation_data(run)), markdown=to_markdown
)
