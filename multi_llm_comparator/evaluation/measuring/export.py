"""An evaluation as a file: a report to read anywhere, a table of all answers, or everything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.core.spreadsheet import BYTE_ORDER_MARK, csv_text
from multi_llm_comparator.evaluation.measuring.export_html import to_html
from multi_llm_comparator.evaluation.measuring.export_markdown import to_markdown
from multi_llm_comparator.evaluation.measuring.report import remark_lines, verdict_lines
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.runs.exporting import Exports


def evaluation_data(snapshot: EvaluationSnapshot) -> dict[str, Any]:
    """Everything, as plain data: what was asked of whom, each answer with its score, and what came of it."""
    results = results_of(snapshot)
    return {
        "format": "multi-llm-comparator evaluation",
        "id": snapshot.id,
        "title": snapshot.title,
        "state": snapshot.state,
        "created_at": iso_time(snapshot.created_at),
        "spec": snapshot.spec.model_dump(mode="json"),
        "sentences": [*verdict_lines(snapshot, results, "en"), *remark_lines(snapshot, "en")],
        "results": _plain(results),
        "divergences": _plain(snapshot.divergences),
        "learnt": _plain(snapshot.learnt),
        "items": [_plain(item) for item in snapshot.items],
        "answers": [
            {"item": key.item, "subject": key.subject, "repeat": key.repeat, "value": cell.value, **_plain(cell)}
            for key, cell in snapshot.cells.items()
        ],
        "duels": [{"value": duel.value, **_plain(duel)} for duel in snapshot.duels.values()],
    }


def _plain(found: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(found)


def _csv(snapshot: EvaluationSnapshot) -> str:
    """A row for each answer."""
    return BYTE_ORDER_MARK + csv_text(_rows(snapshot), names=() if snapshot.cells else ("run_id",))


def _rows(snapshot: EvaluationSnapshot) -> Iterator[dict[str, Any]]:
    names = {subject.id: subject for subject in snapshot.spec.subjects}
    for key, cell in snapshot.cells.items():
        item = snapshot.items[key.item]
        subject = names[key.subject]
        yield {
            "run_id": snapshot.id,
            "source": item.source,
            "task": item.task,
            "item_id": item.id,
            "prompt": item.title,
            "expected": item.target,
            "tags": ";".join(item.tags),
            "model": subject.name,
            "target": subject.target,
            "repeat": key.repeat + 1,
            "state": cell.state,
            "answer": cell.text,
            "value": cell.value,
            "score": cell.score,
            "correct": cell.correct,
            "reason": cell.reason,
            "judge_value": cell.judgement.value if cell.judgement else None,
            "your_score": cell.human,
            "error": cell.error or "",
            "seed": cell.seed,
            "tokens": cell.tokens,
            "tokens_per_s": cell.tokens_per_s,
            "is_alone": cell.is_alone,
            "duration_s": cell.duration_s,
            "memory_bytes": cell.memory_bytes,
            "answered_by": cell.answered_by or "",
            "cost_usd": cell.cost_usd,
        }


export_evaluation = Exports[EvaluationSnapshot](
    "an evaluation",
    html=to_html,
    json=lambda snapshot, _: json_text(evaluation_data(snapshot)),
    csv=lambda snapshot, _: _csv(snapshot),
    markdown=to_markdown,
)
