"""The items of an evaluation, in the order in which they are asked: prompts of one's own, then those of the tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.measuring.prompt_task import PromptSetTask
from multi_llm_comparator.evaluation.measuring.spec import MAX_CELLS, MAX_ITEMS, EvaluationSpec, TaskChoice
from multi_llm_comparator.evaluation.tasks.base import Task, TaskItem

MAX_TITLE_CHARS = 160
MAX_TARGET_SHOWN_CHARS = 400

# Reads the data of a published task: one task for each of its subjects. Called in a thread.
OpenTasks = Callable[[TaskChoice], Sequence[Task]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """What is stored of an item, so that a run can be looked at without its data.

    ``source`` is what results are added up by: ``prompts``, or a task's group; ``task`` the subject within it.
    """

    id: str
    source: str
    task: str
    title: str
    target: str
    cluster: str = ""
    tags: tuple[str, ...] = ()
    is_choice: bool = False
    compare: str = ""


@dataclass(frozen=True, slots=True)
class Material:
    """One item with the task that scores it."""

    task: Task
    item: TaskItem

    @property
    def facts(self) -> ItemFacts:
        item = self.item
        target = item.target if isinstance(item.target, str) else _label(item, item.target)
        is_own = isinstance(self.task, PromptSetTask)
        return ItemFacts(
            id=item.id,
            source=self.task.group,
            task=self.task.name,
            title=cut_line(item.question or _text(item), MAX_TITLE_CHARS),
            target=cut_line(target, MAX_TARGET_SHOWN_CHARS),
            cluster=item.cluster,
            tags=item.tags,
            is_choice=item.choices is not None,
            compare=self.task.row(item).compare if isinstance(self.task, PromptSetTask) and is_own else "",
        )


def open_materials(spec: EvaluationSpec, open_tasks: OpenTasks) -> tuple[Material, ...]:
    """All items of an evaluation.

    Raises:
        ConfigurationError: there are none, or more than fit.
        DocumentError: the data of a task cannot be read.
    """
    tasks: list[Task] = [PromptSetTask(spec.prompts)] if spec.prompts else []
    for choice in spec.tasks:
        tasks += open_tasks(choice)
    materials = tuple(Material(task, item) for task in tasks for item in task.items)
    if not materials:
        raise ConfigurationError("the chosen data has no items; choose another limit or other subjects")
    cells = len(materials) * len(spec.subjects) * spec.repeats
    if len(materials) > MAX_ITEMS or cells > MAX_CELLS:
        raise ConfigurationError(
            f"{len(materials)} items make {cells} answers; at most {MAX_ITEMS} items and {MAX_CELLS} answers fit into "
            "one evaluation: set a limit"
        )
    return materials


def digest_of(materials: Sequence[Material]) -> str:
    """The same for materials that ask the same: a resumed run is held to it."""
    digest = hashlib.sha256()
    for one in materials:
        digest.update(repr((one.task.name, one.task.version, one.item.id, one.item.prompt, one.item.choices)).encode())
    return digest.hexdigest()[:16]


def _label(item: TaskItem, number: int) -> str:
    return item.labels[number] if item.labels else str(number)


def _text(item: TaskItem) -> str:
    return item.prompt if isinstance(item.prompt, str) else item.prompt[-1].content
