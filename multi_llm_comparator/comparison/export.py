"""A run as a file, in four formats; the JSON one can be read in again."""

from __future__ import annotations

import json
from dataclasses import asdict

from multi_llm_comparator.comparison.documents import SCHEMA_VERSION, answer_document, run_document
from multi_llm_comparator.comparison.export_csv import export_csv
from multi_llm_comparator.comparison.export_html import export_html
from multi_llm_comparator.comparison.export_markdown import export_markdown
from multi_llm_comparator.comparison.importing import FORMAT, MAX_IMPORT_BYTES, import_run
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.stored_images import StoredImage
from multi_llm_comparator.runs.exporting import Exports

__all__ = ["MAX_IMPORT_BYTES", "export_run", "import_run"]


def export_json(snapshot: ComparisonSnapshot) -> str:
    """Everything that is known of a run, as :class:`ExportedRun` reads it."""
    attempts = (answer for turn in snapshot.turns for attempts in turn.attempts.values() for answer in attempts)
    document = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "exported_at": now(),
        "id": snapshot.id,
        "title": snapshot.title,
        "created_at": snapshot.created_at,
        "run": run_document(snapshot),
        "answers": [_exported(answer) for answer in attempts],
        **({"images": [asdict(image) for image in _images_of(snapshot)]} if snapshot.images else {}),
    }
    # Escaped beyond ASCII only where UTF-8 has no way to say it (half of a surrogate pair).
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    return text if _encodable(text) else json.dumps(document, indent=1, allow_nan=False)


def _images_of(snapshot: ComparisonSnapshot) -> list[StoredImage]:
    """Each once, in the order in which they were shown."""
    return list(dict.fromkeys(image for turn in snapshot.turns for image in snapshot.images_of(turn)))


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _exported(answer: AnswerSnapshot) -> dict[str, object]:
    return {
        "id": answer.answer_id,
        "turn": answer.turn,
        "pane_id": answer.pane_id,
        "attempt": answer.attempt,
        "state": answer.progress.state,
        "text": answer.text,
        "record": answer_document(answer),
        "figures": answer.figures.to_dict(),
    }


export_run = Exports[ComparisonSnapshot](
    "a comparison",
    html=export_html,
    json=lambda snapshot, _: export_json(snapshot),
    csv=lambda snapshot, _: export_csv(snapshot),
    markdown=export_markdown,
)
