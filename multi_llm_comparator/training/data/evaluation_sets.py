"""The questions of evaluation sets, in the forms that they are published in.

MMLU (CSV without a heading: question, four choices, answer), C-Eval (CSV with one), GSM8K and others as JSON lines
with ``question``, ``problem``, ``prompt``, ``instruction`` or ``text``, and chats as ``messages``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.training.data.contamination import EvaluationText
from multi_llm_comparator.training.data.csv_rows import csv_rows
from multi_llm_comparator.training.data.files import DataFiles, encoding_for, find_files, open_text, rows_of_file
from multi_llm_comparator.training.data.rows import Row

QUESTIONS = ("question", "problem", "prompt", "instruction", "query", "input", "text")
CHOICES = ("A", "B", "C", "D", "E", "F", "G", "H", "I", "J")
# What an evaluation measures with; the other files of its folder may well be trained on.
_MEASURED = re.compile(r"(^|[^a-z])(test|val|valid|validation|eval)([^a-z]|$)", re.IGNORECASE)


def evaluation_texts(paths: Iterable[str | Path]) -> Iterator[EvaluationText]:
    """The questions of files and folders; each path is a set by its name.

    Of a folder with files named for test or validation only these are read.

    Raises:
        DocumentError: one cannot be read, or has no questions.
    """
    for path in map(Path, paths):
        is_empty = True
        for text in _texts(path.expanduser()):
            is_empty = False
            yield text
        if is_empty:
            raise DocumentError(f"{str(path)!r} has no questions; its rows need one of {', '.join(QUESTIONS)}")


def _texts(path: Path) -> Iterator[EvaluationText]:
    files = find_files(path)
    measured = [file for file in files.files if _MEASURED.search(str(file.relative_to(path)))] if path.is_dir() else []
    for file in measured or files.files:
        for row in _rows(files, file):
            if row.value is not None and (found := _question(row.value)) is not None:
                name = file.name if path.is_dir() else ""
                yield EvaluationText(f"{name} {row.place}".strip(), found[0], path.name, found[1])


def _rows(files: DataFiles, file: Path) -> Iterator[Row]:
    name, encoding = files.name_of(file), encoding_for(file, "")
    if file.suffix.lower() != ".csv":
        yield from rows_of_file(file, name, encoding)
        return
    with open_text(file, encoding, newline="") as text:
        heading = {cell.strip().strip('"').lower() for cell in text.readline(10_000).split(",")}
        text.seek(0)
        yield from csv_rows(text, name, has_heading=not heading.isdisjoint((*QUESTIONS, "messages")))


def _question(row: Mapping[str, Any]) -> tuple[str, str] | None:
    """A question and what belongs to it; None where there is none."""
    if "0" in row:
        # Without a heading: the question, its choices, and the answer at the end.
        cells = [str(cell) for cell in row.values()]
        return cells[0], "\n".join(cells[1:-1])
    messages = row.get("messages")
    if isinstance(messages, list):
        asked = [m.get("content") for m in messages if isinstance(m, dict) and m.get("role") == "user"]
        text = "\n".join(content for content in asked if isinstance(content, str))
        return (text, "") if text else None
    text = next((row[name] for name in QUESTIONS if isinstance(row.get(name), str) and row[name].strip()), "")
    listed = row.get("choices") if isinstance(row.get("choices"), list) else [row.get(name) for name in CHOICES]
    choices = "\n".join(choice for choice in listed or () if isinstance(choice, str))
    return (text, choices) if text else None
