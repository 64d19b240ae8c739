"""One's own questions: multiple choice by probabilities, and everything that is compared with a written answer.

A JSON list, JSON lines or a CSV file with a heading. A row has a ``question`` (or ``prompt``) and an ``answer`` (or
``expected``); with ``choices`` (a list, or in CSV columns A, B, C, ...) it is multiple choice and its answer a letter,
a number counted from 0 or one of the choices' texts. Else ``compare`` says how the written answer is compared: exact,
numeric, contains, regex or json_schema. Also known: ``id``, ``cluster``, ``tags`` (a list, or words with commas).
Rows with a ``problem``, an ``answer_id`` or an answer behind ``####`` are of a data set that plans are measured on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast, get_args

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.json_records import refuse_twins
from multi_llm_comparator.evaluation.comparing import How, compare, pattern_problem, schema_problem
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Kind, Task, TaskItem, TaskOptions
from multi_llm_comparator.evaluation.tasks.choice import ChoiceTask
from multi_llm_comparator.evaluation.tasks.prompts import choices_after, few_shot_prompt
from multi_llm_comparator.evaluation.tasks.questions import FIELDS, load_questions
from multi_llm_comparator.evaluation.tasks.sources import csv_rows, json_rows

VERSION = "1"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class WrittenTask(Task):
    """Questions whose written answers are compared with what is expected, each as its row says."""

    kind: ClassVar[Kind] = "ask"
    version = VERSION
    metrics = ("right",)

    def __init__(self, name: str, items: Sequence[TaskItem]) -> None:
        self.name = self.group = name
        self.items = tuple(items)

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        if not isinstance(answer, str):
            return ItemScore(value=0.0, correct=False, reason="this question wants an answer in words")
        return compare(cast(How, item.about["compare"]), str(item.target), answer)


def load_own(path: str | Path, options: TaskOptions) -> list[Task]:
    """The questions of a file: a task for those with choices, another for the others, in the file's order.

    Raises:
        DocumentError: naming the row and what is wrong with it.
    """
    path = Path(path)
    rows: list[dict[str, Any]] = list(csv_rows(path)) if path.suffix.lower() == ".csv" else json_rows(path)
    if not rows:
        raise DocumentError(f"{str(path)!r} has no questions")
    if FIELDS & rows[0].keys() or "####" in str(rows[0].get("answer")):
        return load_questions(path, options)
    chosen, written = list[TaskItem](), list[TaskItem]()
    for number, row in enumerate(rows[: options.limit], 1):
        where = f"{str(path)!r}, row {number}"
        choices = _choices(row)
        (chosen if choices else written).append(
            _choice_item(row, choices, number, where, options)
            if choices
            else _written_item(row, number, where, options)
        )
    refuse_twins(path, [*chosen, *written])
    tasks: list[Task] = [ChoiceTask(f"{path.stem}_choice", path.stem, VERSION, chosen)] if chosen else []
    return [*tasks, *([WrittenTask(f"{path.stem}_written", written)] if written else [])]


def _choice_item(
    row: Mapping[str, Any], choices: Sequence[str], number: int, where: str, options: TaskOptions
) -> TaskItem:
    labels = tuple(LETTERS[: len(choices)])
    lines = [_question(row, where), *(f"{label}. {choice}" for label, choice in zip(labels, choices, strict=True))]
    prompt = few_shot_prompt("", (), "\n".join([*lines, "Answer:"]), options)
    right = _right(row, choices, where)
    return _item(row, number, prompt, choices=choices_after(prompt, labels), labels=labels, target=right)


def _written_item(row: Mapping[str, Any], number: int, where: str, options: TaskOptions) -> TaskItem:
    how, expected = str(row.get("compare") or "exact"), _expected(row, where)
    if how not in get_args(How):
        more = "; what a model judges belongs into a prompt set" if how == "judged" else ""
        raise DocumentError(f"{where}: 'compare' is {how!r}, not one of {', '.join(get_args(How))}{more}")
    checks = {"regex": pattern_problem, "json_schema": schema_problem}
    if how in checks and (problem := checks[how](expected)):
        raise DocumentError(f"{where}: {problem}")
    prompt = few_shot_prompt("", (), _question(row, where), options)
    return _item(row, number, prompt, target=expected, about={"compare": how})


def _item(row: Mapping[str, Any], number: int, prompt: Any, **fields: Any) -> TaskItem:
    tags = row.get("tags") or ()
    if isinstance(tags, str):
        tags = [tag.strip() for tag in tags.split(",") if tag.strip()]
    id = str(row.get("id") or number)
    return TaskItem(
        id=id,
        cluster=str(row.get("cluster") or id),
        prompt=prompt,
        question=str(row.get("question") or row.get("prompt")),
        tags=tuple(str(tag) for tag in tags),
        **fields,
    )


def _choices(row: Mapping[str, Any]) -> list[str]:
    given = row.get("choices")
    if isinstance(given, list) and 1 < len(given) <= len(LETTERS):
        return [str(choice) for choice in given]
    columns = [str(row[letter]) for letter in LETTERS if row.get(letter) not in (None, "")]
    return columns if len(columns) > 1 else []


def _right(row: Mapping[str, Any], choices: Sequence[str], where: str) -> int:
    answer = row.get("answer", row.get("expected"))
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(choices):
        return answer
    text = str(answer).strip()
    if text in choices:
        return list(choices).index(text)
    if len(text) == 1 and text.upper() in LETTERS[: len(choices)]:
        return LETTERS.index(text.upper())
    raise DocumentError(f"{where}: the answer {answer!r} is none of the {len(choices)} choices")


def _question(row: Mapping[str, Any], where: str) -> str:
    text = row.get("question") or row.get("prompt")
    if not isinstance(text, str) or not text.strip():
        raise DocumentError(f"{where} has neither 'question' nor 'prompt'")
    return text.strip()


def _expected(row: Mapping[str, Any], where: str) -> str:
    expected = row.get("answer", row.get("expected"))
    if expected is None or expected == "":
        raise DocumentError(f"{where} has neither 'answer' nor 'expected'")
    return json.dumps(expected) if isinstance(expected, dict) else str(expected)
