"""A tuning as a job: what the app starts in a process of its own, and what the commands call in theirs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.training.data.hub_data import fetched_here
from multi_llm_comparator.training.mlflow_report import told_to_mlflow
from multi_llm_comparator.training.together import this_place
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options


def run(options: dict[str, Any], folder: Path, report: Report) -> None:
    """Tune as ``options`` say, see :class:`~multi_llm_comparator.training.tuning_options.TuningOptions`.

    Args:
        folder: the job's: checkpoints are in ``work/tuning``, the adapter comes to ``out/adapter``.
        report: told of everything.

    Raises:
        MultiLLMError: the tuning cannot be done, or failed; what the error says is for a person.
    """
    tune_in(tuning_options(options), folder / "work" / "tuning", report, adapter=folder / "out" / "adapter")


def tune_in(options: TuningOptions, work: Path, report: Report, *, adapter: Path | None = None) -> None:
    """Tune in this process, told to MLflow as well if ``options`` say so. For the arguments see :func:`lora.tune`."""
    # Before torch is imported: from then on this process, and what it starts, keeps off the network.
    options = options.model_copy(update={"data": fetched_here(options.data)})
    # torch and the libraries on it take seconds to import: a wrong option is told before.
    from multi_llm_comparator.training.lora import tune

    if not this_place().is_first:
        tune(options, work, report)
        return
    with told_to_mlflow(options, work, report) as told:
        tune(options, work, told, adapter=adapter)
