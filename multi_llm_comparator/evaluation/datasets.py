"""Questions with known answers, from JSON lists and JSON lines in the shapes that are around.

Known shapes: MMLU-STEM (``problem`` with the choices written into it, ``answer`` the text of the right one and
``answer_id`` its letter or index), maths sets (``problem``, ``solution``, ``answer``), GSM8K (``question``, ``answer``
ending in ``#### 42``), and plain ``question`` / ``answer``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.json_records import read_records, refuse_twins
from multi_llm_comparator.tracking.rows import storable

MAX_QUESTIONS = 1_000_000
MAX_TEXT_CHARS = 100_000


@dataclass(frozen=True, slots=True)
class Question:
    """One question. ``answer`` is what counts as right, ``choice`` its letter where it is a choice of several.

    ``solution`` is a worked one, where the data has it. ``answer`` None means that nobody knows: it is not scored.
    """

    id: str
    text: str
    answer: str | None = None
    choice: str | None = None
    solution: str | None = None
    subject: str | None = None
    difficulty: str | None = None


def read_dataset(path: str | Path, limit: int | None = None) -> list[Question]:
    """Read a data set, at most ``limit`` questions of it.

    Raises:
        DocumentError: naming the file, the entry and what is wrong with it.
    """
    path = Path(path)
    if limit is not None and limit < 1:
        raise DocumentError(f"limit must be at least 1, not {limit}")
    found: list[Question] = []
    for number, (where, entry) in enumerate(read_records(path), 1):
        found.append(_question(where, number, entry))
        if len(found) == min(limit or MAX_QUESTIONS, MAX_QUESTIONS):
            break
    if not found:
        raise DocumentError(f"{str(path)!r} has no questions")
    refuse_twins(path, found)
    return found


def _question(where: str, number: int, entry: Mapping[str, Any]) -> Question:
    text = _text(entry, "problem") or _text(entry, "question") or _text(entry, "query")
    if not text:
        raise DocumentError(f"{where}, has neither 'problem' nor 'question'")
    if len(text) > MAX_TEXT_CHARS:
        raise DocumentError(f"{where}, is longer than {MAX_TEXT_CHARS} characters")
    answer, solution = _text(entry, "answer"), _text(entry, "solution")
    if answer and "####" in answer:
        solution, _, answer = (part.strip() for part in answer.rpartition("####"))
        answer = answer.replace(",", "")
    return Question(
        id=_text(entry, "id") or str(number),
        text=text,
        answer=answer,
        choice=_letter(entry.get("answer_id")),
        solution=solution,
        subject=_text(entry, "subject"),
        difficulty=_text(entry, "difficulty_level"),
    )


def _text(entry: Mapping[str, Any], name: str) -> str | None:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    # JSON can say what no file and no database takes: halves of characters.
    return storable(str(value)).strip() or None


def _letter(answer_id: Any) -> str | None:
    """A choice as a letter; data sets count from A or from 0."""
    if isinstance(answer_id, bool):
        return None
    if isinstance(answer_id, int | float) and answer_id in range(26):
        return chr(ord("A") + int(answer_id))
    text = str(answer_id or "").strip().upper()
    if text.isdecimal() and len(text) <= 2 and int(text) < 26:
        return chr(ord("A") + int(text))
    return text if len(text) == 1 and "A" <= text <= "Z" else None
