"""A prompt set as a task: its rows are items, scored as each row says."""

from __future__ import annotations

from multi_llm_comparator.core.requests import Message
from multi_llm_comparator.core.scores import ScoreResult
from multi_llm_comparator.evaluation.comparing import compare
from multi_llm_comparator.evaluation.prompt_sets import PromptRow, PromptSet
from multi_llm_comparator.evaluation.tasks.base import ItemAnswer, ItemScore, Task, TaskItem

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
        text = answer if isinstance(answer, str) else _chosen(item, answer)
        if row.compare == "none":
            return ItemScore(value=0.0, correct=None, reason=NOT_COMPARED)
        if row.compare == "judged":
            return ItemScore(value=0.0, correct=None, reason=TO_BE_JUDGED)
        return compare(row.compare, self.prompts.expected_of(row), text)

    def _item(self, row: PromptRow) -> TaskItem:
        prompt = self.prompts.prompt_of(row)
        system = (Message("system", self.prompts.system),) if self.prompts.system else ()
        return TaskItem(
            id=row.id,
            prompt=(*system, Message("user", prompt)),
            target=self.prompts.expected_of(row),
            cluster=row.cluster,
            question=prompt,
            tags=row.tags,
        )


def _chosen(item: TaskItem, result: ScoreResult) -> str:
    return item.labels[result.best] if item.labels else str(result.best)
