"""A run as CSV: one row for each attempt of each pane, with units in the names of columns."""

from __future__ import annotations

from collections.abc import Iterator

from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot
from multi_llm_comparator.core.readable import iso_time
from multi_llm_comparator.core.spreadsheet import BYTE_ORDER_MARK, csv_text

Cell = str | int | float | bool | None


def export_csv(snapshot: ComparisonSnapshot) -> str:
    """The whole run; of one without an answer, the heading of its first column."""
    rows = list(_rows(snapshot))
    return BYTE_ORDER_MARK + csv_text(rows, names=() if rows else ("run_id",))


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
        **({"images_sha256": " ".join(turn.images)} if any(one.images for one in snapshot.turns) else {}),
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
    figures = answer.figures.to_dict()
    thought = {"thought": answer.thought} if answer.thought else {}
    return {**figures, **thought, "contended_by": ", ".join(figures["contended_by"])}


def _origin(answer: AnswerSnapshot) -> dict[str, Cell]:
    model, config = answer.model, answer.config.to_dict()
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
