"""The published tasks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.tasks.base import Task, TaskOptions
from multi_llm_comparator.evaluation.tasks.bbh import load_bbh, shots_of
from multi_llm_comparator.evaluation.tasks.ceval import load_ceval
from multi_llm_comparator.evaluation.tasks.gsm8k import load_gsm8k
from multi_llm_comparator.evaluation.tasks.mmlu import load_mmlu
from multi_llm_comparator.evaluation.tasks.own import load_own
from multi_llm_comparator.evaluation.tasks.sources import HUB

Loader = Callable[[str | Path, TaskOptions], list[Task]]
LOADERS: Mapping[str, Loader] = {"mmlu": load_mmlu, "ceval": load_ceval, "gsm8k": load_gsm8k, "bbh": load_bbh}

OWN_FILES = (".csv", ".json", ".jsonl")
# Items of those that are published whole, for whom they are not here yet: so many subjects, so many items in all.
PUBLISHED: Mapping[str, tuple[int, int]] = {
    "mmlu": (57, 14_042),
    "ceval": (52, 1_346),
    "gsm8k": (1, 1_319),
    "bbh": (27, 6_511),
}


def load_tasks(name: str, source: str | Path, options: TaskOptions) -> list[Task]:
    """The subjects of a published task.

    Args:
        name: one of ``LOADERS``, or the path of a file with questions of one's own.
        source: its folder, the folder that this lies in under the task's name, or ``"hub"``.
        options: how prompts are built.

    Raises:
        DocumentError: no such task, or the source has not what it takes.
    """
    if Path(name).suffix.lower() in OWN_FILES:
        return load_own(name, options)
    if name not in LOADERS:
        raise DocumentError(f"there is no task {name!r}; known are {', '.join(LOADERS)} and files of your own")
    return LOADERS[name](source, options)


def items_of(name: str, source: str | Path, options: TaskOptions) -> dict[str, int]:
    """How many items :func:`load_tasks` gives, by group. Nothing is fetched: of the Hub's it is what is published, at
    most. Raises as :func:`load_tasks`."""
    if source == HUB and name in PUBLISHED:
        subjects, items = PUBLISHED[name]
        if name == "bbh":
            # Its examples are questions that are then not asked.
            items -= subjects * shots_of(options)
        share = min(1.0, len(options.subjects) / subjects) if options.subjects else 1.0
        asked = options.limit * (len(options.subjects) or subjects) if options.limit else items
        return {name: min(asked, round(items * share))}
    counts: dict[str, int] = {}
    for task in load_tasks(name, source, options):
        counts[task.group] = counts.get(task.group, 0) + len(task.items)
    return counts
