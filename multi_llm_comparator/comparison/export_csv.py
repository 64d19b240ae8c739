"""A run as CSV: one row for each attempt of each pane, with units in the names of columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime

from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot

Cell = str | int | float | bool | None
# What makes a spreadsheet take a cell for a formula; such text gets an apostrophe in front.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def export_csv(snapshot: ComparisonSnapshot) -> str:
    """The whole run; the byte order mark at its beginning is what lets spreadsheets read Chinese."""
    out = io.StringIO()
    rows = list(_rows(snapshot))
    writer = csv.DictWriter(out, fieldnames=list(rows[0]) if rows else ["run_id"], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _safe(cell) for name, cell in row.items()} for row in rows)
    return "\ufeff" + out.getvalue()


def iso_time(moment: float | None) -> str:
    """``2026-11-21T10:02:15.123Z``."""
    if moment is None:
        return ""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _safe(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA_STARTS) else cell


def _rows(snapshot: ComparisonSnapshot) -> Iterator[dict[str, Cell]]:
    for turn in snapshot.turns:
        for attempts in turn.attempts.values():
            for answer in attempts:
                yield {**_place(snapshot, turn, answer), **_outcome(answer), **_figures(answer), **_origin(answer)}


def _place(snapshot: ComparisonSnapshot, turn: TurnSnapshot, answer: AnswerSnapshot) -> dict[str, Cell]:
    return {
        "run_id": snapshot.id,
        "run_title": snapshot.title,
        "turn": turn.index + 1,
        "pane_id": answer.pane_id,
        "attempt": answer.attempt,
        "is_selected": turn.answers[answer.pane_id] is answer,
        "is_chosen": turn.goes_on_from(answer),
        "model_name": answer.model_name,
        "target": answer.target,
        "prompt": turn.prompt,
        "text": answer.text,
    }


def _outcome(answer: AnswerSnapshot) -> dict[str, Cell]:
    progress = answer.progress
    return {
        "state": progress.state,
        "finish_reason": progress.finish_reason or "",
        "error_type": progress.error_type or "",
        "error": progress.error or "",
        "notes": "; ".join(progress.notes),
        "answered_by": progress.answered_by or "",
        "requested_at_utc": iso_time(answer.legs[0].requested_at),
        "started_at_utc": iso_time(answer.legs[0].started_at),
        "first_token_at_utc": iso_time(answer.legs[0].first_token_at),
        "ended_at_utc": iso_time(progress.ended_at),
    }


def _figures(answer: AnswerSnapshot) -> dict[str, Cell]:
    figures = asdict(answer.figures)
    return {**figures, "contended_by": ", ".join(figures["contended_by"])}


def _origin(answer: AnswerSnapshot) -> dict[str, Cell]:
    model, config = answer.model, asdict(answer.config)
    config["stop"] = " | ".join(config["stop"])
    return {
        "seed_used": answer.legs[0].seed,
        "model_id": model.id,
        "model_type": model.model_type,
        "model_path": model.path,
        "model_size_bytes": model.size_bytes,
        "model_fingerprint": model.fingerprint or "",
        **{f"config_{name}": value for name, value in config.items()},
        "rendered_prompt": answer.legs[0].prompt,
        "versions": "; ".join(f"{name} {number}" for name, number in answer.versions.items()),
    }
