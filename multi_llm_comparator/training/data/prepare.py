"""From a specification to cleaned and split data: what a job does first, and what the page shows before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from multi_llm_comparator.training.data.cleaner import Progress, clean
from multi_llm_comparator.training.data.contamination import EvaluationIndex
from multi_llm_comparator.training.data.dataset import open_dataset
from multi_llm_comparator.training.data.evaluation_sets import evaluation_texts
from multi_llm_comparator.training.data.hub_data import fetched_here
from multi_llm_comparator.training.data.report import CleanReport
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.training.data.tokens import TokenReader


def prepare(
    spec: DataSpec,
    folder: Path,
    *,
    tokens: TokenReader | None = None,
    progress: Progress = lambda phase, rows, total: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> CleanReport:
    """Read, clean, split and check all that a specification names; see :func:`~training.data.cleaner.clean`.

    Raises:
        DocumentError: a file cannot be read, or nothing is left to learn from.
        DownloadError: the data set is on the Hub and cannot be had.
    """
    spec = fetched_here(spec)
    dataset = open_dataset(spec)
    own = spec.split.path
    validation = open_dataset(spec.model_copy(update={"source": own, "files": ()})) if own else None
    evaluation = EvaluationIndex(evaluation_texts(spec.contamination)) if spec.contamination else None
    return clean(
        dataset,
        folder,
        tokens=tokens,
        validation=validation,
        evaluation=evaluation,
        progress=progress,
        is_stopped=is_stopped,
    )
