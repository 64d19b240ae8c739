"""The published tasks by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.evaluation.tasks.base import Task, TaskOptions
from multi_llm_comparator.evaluation.tasks.bbh import load_bbh
from multi_llm_comparator.evaluation.tasks.ceval import load_ceval
from multi_llm_comparator.evaluation.tasks.gsm8k import load_gsm8k
from multi_llm_comparator.evaluation.tasks.mmlu import load_mmlu
from multi_llm_comparator.evaluation.tasks.own import load_own

Loader = Callable[[str | Path, TaskOptions], list[Task]]
LOADERS: Mapping[str, Loader] = {"mmlu": load_mmlu, "ceval": load_ceval, "gsm8k": load_gsm8k, "bbh": load_bbh}

OWN_FILES = (".csv", ".json", ".jsonl")


def load_tasks(name: str, source: str | Path, options: TaskOptions) -> list[Task]:
    """The subjects of a published task.

    Args:
        name: one of ``LOADERS``, or the path of a file with questions of one's own.
        source: its folder, the folder that this lies in under the task's name, or ``"hub"``.
        options: how prompts are built.

    Raises:
        DocumentError: no such task, or the source has not what it takes.
    """
    if Path(name).suffix.lower() in OWN_FILES and Path(name).is_file():
        return load_own(name, options)
    if name not in LOADERS:
        raise DocumentError(f"there is no task {name!r}; known are {', '.join(LOADERS)} and files of your own")
    return LOADERS[name](source, options)
