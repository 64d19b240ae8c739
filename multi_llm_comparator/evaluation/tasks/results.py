"""What a model made of a task's items: counts and shares, and every item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from multi_llm_comparator.core.scores import ScoreResult
from multi_llm_comparator.evaluation.statistics.intervals import wilson
from multi_llm_comparator.evaluation.tasks.answering import Answered
from multi_llm_comparator.evaluation.tasks.base import ItemScore, Task


@dataclass(eq=False)
class TaskResult:
    """One task's items as they are answered.

    Attributes:
        scores: by the item's id.
        failed: items without an answer, by id, with the reason. They count as neither right nor wrong.
    """

    task: Task
    scores: dict[str, ItemScore] = field(default_factory=dict)
    answered: dict[str, Answered] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, answered: Answered) -> None:
        """Take in one item, scored."""
        item = answered.item
        if answered.answer is None:
            self.failed[item.id] = str(answered.error)
            return
        self.answered[item.id] = answered
        self.scores[item.id] = self.task.score(item, answered.answer)

    @property
    def right(self) -> int:
        return sum(bool(score.correct) for score in self.scores.values())

    def cells(self) -> tuple[str, ...]:
        """A row of a table: task, version, right, of, share, interval, ties, how it was asked, failed."""
        return _cells(self.task.name, self.task.version, [self])

    @staticmethod
    def joined_cells(group: str, members: Sequence[TaskResult]) -> tuple[str, ...]:
        """The row of a group: all its items together, so that large subjects count for more."""
        return _cells(group, members[0].task.version, members)

    def document(self) -> dict[str, Any]:
        """All there is to it, as plain data."""
        low, high = wilson(self.right, len(self.scores))
        metrics = {name: self.mean(name) for name in self.task.metrics}
        return {
            "task": self.task.name,
            "version": self.task.version,
            "group": self.task.group,
            "items": len(self.scores),
            "right": self.right,
            "interval_95": [low, high],
            "metrics": metrics,
            "failed": self.failed,
            "answers": [self._item(id) for id in self.scores],
        }

    def figures(self) -> dict[str, float]:
        """The share that is right with its interval, and the means of all metrics, as MLflow takes them."""
        if not self.scores:
            return {}
        name, n = self.task.name, len(self.scores)
        low, high = wilson(self.right, n)
        means = {f"{name}/{metric}": self.mean(metric) for metric in self.task.metrics}
        return {
            **{key: value for key, value in means.items() if value is not None},
            name: self.right / n,
            f"{name}/low": low,
            f"{name}/high": high,
            f"{name}/items": n,
        }

    def mean(self, metric: str) -> float | None:
        """The mean of a metric over the items that have it."""
        values = [score.metrics[metric] for score in self.scores.values() if metric in score.metrics]
        return sum(values) / len(values) if values else None

    def _item(self, id: str) -> dict[str, Any]:
        answered = self.answered[id]
        answer: Any = answered.answer
        if isinstance(answer, ScoreResult):
            answer = {"logprobs": list(answer.logprobs), "truncated_tokens": answer.truncated_tokens}
        return {"id": id, "how": answered.how, "answer": answer, **asdict(self.scores[id])}


def _cells(name: str, version: str, results: Sequence[TaskResult]) -> tuple[str, ...]:
    right, n = sum(one.right for one in results), sum(len(one.scores) for one in results)
    low, high = wilson(right, n)
    ties = sum(score.is_tie for one in results for score in one.scores.values())
    ways = sorted({answered.how for one in results for answered in one.answered.values()})
    failed = sum(len(one.failed) for one in results)
    share = f"{100 * right / n:.1f}%" if n else "-"
    interval = f"{100 * low:.1f} to {100 * high:.1f}%" if n else "-"
    return (name, version, str(right), str(n), share, interval, str(ties or ""), ", ".join(ways), str(failed or ""))
