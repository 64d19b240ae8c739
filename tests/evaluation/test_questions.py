"""Data sets that plans are measured on, as tasks of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.evaluation.datasets import read_dataset
from multi_llm_comparator.evaluation.scoring import is_correct
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.evaluation.tasks.catalogue import items_of, load_tasks

STEM: list[dict[str, Any]] = [
    {"problem": "1 + 1?\nA. 1\nB. 2", "answer": "2", "answer_id": 1, "subject": "maths", "difficulty_level": 2},
    {"problem": "Which planet is the largest?\nA. Mars\nB. Jupiter", "answer": "Jupiter", "answer_id": "B"},
    {"problem": "Nobody knows.", "subject": "maths"},
]
ANSWERS = ("So the answer is (B).", "It is 2.", "The answer is Jupiter.", "A", "I do not know.")


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def test_its_questions_are_asked_as_they_are_and_scored_as_plans_are(tmp_path: Path) -> None:
    path = written(tmp_path / "stem.json", STEM)
    (task,) = load_tasks(str(path), "unused", TaskOptions())
    questions = read_dataset(path)
    assert [item.question for item in task.items] == [question.text for question in questions[:2]]
    assert task.items[0].prompt == (Message("user", STEM[0]["problem"]),)
    assert task.items[0].tags == ("maths", "2")
    for item, question in zip(task.items, questions[:2], strict=True):
        assert [task.score(item, text).correct for text in ANSWERS] == [is_correct(question, text) for text in ANSWERS]
    assert "right is '2'" in task.score(task.items[0], "It is 3.").reason
    assert items_of(str(path), "unused", TaskOptions(limit=1)) == {"stem": 1}


def test_worked_answers_are_those_of_such_a_data_set_too(tmp_path: Path) -> None:
    path = written(tmp_path / "worked.json", [{"question": "3 + 4?", "answer": "3 + 4 = 7\n#### 7"}])
    (task,) = load_tasks(str(path), "unused", TaskOptions())
    assert task.score(task.items[0], "That makes 7.").correct


def test_a_data_set_without_answers_and_a_file_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no question whose answer is known"):
        load_tasks(str(written(tmp_path / "open.json", STEM[2:])), "unused", TaskOptions())
    with pytest.raises(DocumentError, match=r"gone\.json"):
        load_tasks(str(tmp_path / "gone.json"), "unused", TaskOptions())
