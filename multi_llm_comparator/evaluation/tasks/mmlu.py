"""MMLU (arXiv 2009.03300): four choices, 57 subjects, as lm-eval's ``mmlu`` version 1.0.

Its folder is the one of the authors' ``data.tar``: ``dev``, ``val`` and ``test`` with a CSV file a subject, no heading;
on the Hub ``cais/mmlu``.
"""

from __future__ import annotations

from pathlib import Path

from multi_llm_comparator.evaluation.tasks.base import Task, TaskOptions
from multi_llm_comparator.evaluation.tasks.choice import ChoiceTask, Question, choice_items, letter_number, lettered
from multi_llm_comparator.evaluation.tasks.sources import (
    HUB,
    chosen_subjects,
    csv_rows,
    folder_with,
    hub_rows,
    subjects_in,
)

VERSION = "1.0"
COLUMNS = ("question", "A", "B", "C", "D", "answer")
HUB_NAME = "cais/mmlu"


def load_mmlu(source: str | Path, options: TaskOptions) -> list[Task]:
    """A task for each subject, its items from the test split, examples the first ones of ``dev`` (usually 5).

    Raises:
        DocumentError: the source has not what it takes.
    """
    tasks: list[Task] = []
    for subject in _subjects(source, options):
        name = f"mmlu_{subject}"
        description = (
            f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
        )
        shots, questions = (_questions(source, subject, split) for split in ("dev", "test"))
        tasks.append(ChoiceTask(name, "mmlu", VERSION, choice_items(name, description, shots, questions, options)))
    return tasks


def _subjects(source: str | Path, options: TaskOptions) -> list[str]:
    if source == HUB:
        return list(options.subjects) or sorted({str(row["subject"]) for row in hub_rows(HUB_NAME, "all", "dev")})
    folder = _folder(source, "test")
    return list(chosen_subjects(subjects_in(folder, "_test.csv"), options.subjects, repr(str(folder))))


def _folder(source: str | Path, split: str) -> Path:
    return folder_with(Path(source), f"data/{split}", split, f"mmlu/data/{split}", f"mmlu/{split}")


def _questions(source: str | Path, subject: str, split: str) -> list[Question]:
    found = []
    if source == HUB:
        for number, row in enumerate(hub_rows(HUB_NAME, subject, split)):
            text = lettered(str(row["question"]), [str(choice) for choice in row["choices"]], "Answer:")
            found.append(Question(text, int(row["answer"]), f"{subject}/{number}", {}))
        return found
    path = _folder(source, split) / f"{subject}_{split}.csv"
    for number, row in enumerate(csv_rows(path, COLUMNS)):
        text = lettered(row["question"], [row[label] for label in "ABCD"], "Answer:")
        right = letter_number(row["answer"], f"{str(path)!r}, row {number + 1}")
        found.append(Question(text, right, f"{subject}/{number}", {}))
    return found
