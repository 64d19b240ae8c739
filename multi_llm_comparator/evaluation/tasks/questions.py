"""A data set as plans are measured on it, as a task: its questions are asked as they are, of models and plans alike.

It is read and scored as ``plan`` and ``baseline`` of the command line do (:mod:`evaluation.datasets`,
:mod:`evaluation.scoring`), so that both find the same answers right.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.evaluation.datasets import Question, read_dataset
from multi_llm_comparator.evaluation.scoring import final_answer, is_correct
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Kind, Task, TaskItem, TaskOptions

VERSION = "1"
MAX_ANSWER_TOKENS = 512
MAX_EXTRACTED_CHARS = 200
# What such a data set has and questions of another form have not.
FIELDS = frozenset({"problem", "answer_id"})


class QuestionTask(Task):
    """Questions with a known answer, each right or wrong by what its answer ends in."""

    kind: ClassVar[Kind] = "ask"
    version = VERSION
    metrics = ("right",)

    def __init__(self, name: str, questions: Sequence[Question]) -> None:
        self.name = self.group = name
        self._questions = {question.id: question for question in questions}
        self.items = tuple(_item(question) for question in questions)

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        if not isinstance(answer, str):
            return ItemScore(value=0.0, correct=False, reason="this question wants an answer in words")
        final, correct = final_answer(answer), bool(is_correct(self._questions[item.id], answer))
        extracted = final[:MAX_EXTRACTED_CHARS]
        return ItemScore(
            value=float(correct),
            correct=correct,
            reason=f"ends in {extracted!r}, right is {str(item.target)!r}",
            extracted=extracted,
        )


def load_questions(path: Path, options: TaskOptions) -> list[Task]:
    """The questions of a data set whose answers are known, as one task.

    Raises:
        DocumentError: the file cannot be read, or no answer is known.
    """
    known = [one for one in read_dataset(path, options.limit) if one.answer is not None or one.choice is not None]
    if not known:
        raise DocumentError(f"{str(path)!r} has no question whose answer is known")
    return [QuestionTask(path.stem, known)]


def _item(question: Question) -> TaskItem:
    return TaskItem(
        id=question.id,
        cluster=question.id,
        prompt=(Message("user", question.text),),
        target=question.answer or question.choice or "",
        question=question.text,
        tags=tuple(filter(None, (question.subject, question.difficulty))),
        max_tokens=MAX_ANSWER_TOKENS,
    )
