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
from multi_llm_comparator.evaluation.tasks.sources import HUB

Loader = Callable[[str | Path, TaskOptions], list[Task]]
LOADERS: Mapping[str, Loader] = {"mmlu": load_mmlu, "ceval": load_ceval, "gsm8k": load_gsm8k, "bbh": load_bbh}


def load_tasks(name: str, source: str | Path, options: TaskOptions) -> list[Task]:
    """The subjects of a published task.

    Args:
        name: one of ``LOADERS``.
        source: its folder, a folder that holds one of the task's name, or ``"hub"``.
        options: how prompts are built.

    Raises:
        DocumentError: no such task, or the source has not what it takes.
    """
    if name not in LOADERS:
        raise DocumentError(f"there is no task {name!r}; known are {', '.join(LOADERS)}")
    if source != HUB and (inside := Path(source) / name).is_dir():
        source = inside
    return LOADERS[name](source, options)
