"""A prompt set as a task: its rows are items, scored as each row says."""

from __future__ import annotations

from dataclasses import replace

from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.evaluation.comparing import compare
from multi_llm_comparator.evaluation.prompt_sets import LETTERS, PromptRow, PromptSet
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Task, TaskItem
from multi_llm_comparator.evaluation.tasks.choice import score_choice
from multi_llm_comparator.evaluation.tasks.prompts import choices_after

PROMPTS = "prompts"
NOT_COMPARED = "is for people to look at"
TO_BE_JUDGED = "is to be judged"


class PromptSetTask(Task):
    """Scores without a right answer (rows that are judged, or only collected) have ``correct`` None and count as 0
    until somebody scored them."""

    kind = "ask"
    version = "1"
    metrics = ("score",)

    def __init__(self, prompts: PromptSet) -> None:
        self.prompts = prompts
        self.name = self.group = PROMPTS
        self._rows = {row.id: row for row in prompts.rows}
        self.items = tuple(self._item(row) for row in prompts.rows)

    def row(self, item: TaskItem) -> PromptRow:
        return self._rows[item.id]

    def score(self, item: TaskItem, answer: ItemAnswer) -> ItemScore:
        row = self._rows[item.id]
        if row.compare == "choice":
            return score_choice(item, answer)
        if not isinstance(answer, str):
            return ItemScore(value=0.0, correct=False, reason="this prompt wants an answer in words")
        if row.compare == "none":
            return ItemScore(value=0.0, correct=None, reason=NOT_COMPARED)
        if row.compare == "judged":
            return ItemScore(value=0.0, correct=None, reason=TO_BE_JUDGED)
        return compare(row.compare, self.prompts.expected_of(row), answer)

    def _item(self, row: PromptRow) -> TaskItem:
        asked = self.prompts.prompt_of(row)
        system = (Message("system", self.prompts.system),) if self.prompts.system else ()
        prompt = (*system, Message("user", asked, row.images, image_places=(0,) * len(row.images)))
        item = TaskItem(
            id=row.id,
            prompt=prompt,
            target=self.prompts.expected_of(row),
            cluster=row.cluster,
            question=asked,
            tags=row.tags,
        )
        if row.compare != "choice" or row.right_choice is None:
            return item
        labels = tuple(LETTERS[: len(row.choices)])
        return replace(item, target=row.right_choice, choices=choices_after(prompt, labels), labels=labels)
