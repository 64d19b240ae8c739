"""A tuning's report that MLflow reads too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.json_text import flattened
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.jobs.events import Artefact, JobEvent, PointMade, Result, Sample
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.services.hub_datasets import name_of
from multi_llm_comparator.tracking.mlflow_log import MlflowLog, local_uri
from multi_llm_comparator.training.tuning_options import TuningOptions

EXPERIMENT = "tuning"
LOCAL = "local"
RUN_FILE = "mlflow_run.txt"
MAX_SAMPLES = 2_000
_HASHES = ("model_hash", "data_hash")


@contextmanager
def told_to_mlflow(options: TuningOptions, work: Path, report: Report) -> Iterator[Report]:
    """The report to hand to the tuning: ``report`` itself, or one that tells MLflow as well if ``options`` say so.

    A tuning that is resumed goes on with its MLflow run.
    """
    if options.mlflow_uri is None:
        yield report
        return
    uri = local_uri(get_settings().home) if options.mlflow_uri == LOCAL else options.mlflow_uri
    kept = work.with_name(f".{work.name.lstrip('.')}.{RUN_FILE}")
    run_id = kept.read_text(encoding="utf-8").strip() if kept.is_file() else None
    name = f"{Path(options.model_path).name} on {name_of(Path(options.data.source))}"
    log = MlflowLog(uri, EXPERIMENT, name, run_id=run_id, on_problem=lambda text: report.note("warning", text))
    if log.run_id and not run_id:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(log.run_id, encoding="utf-8")
    told = _Told(log)
    if run_id is None:
        # The address may have a password in it.
        log.params({name: value for name, value in flattened(options.to_dict()).items() if name != "mlflow_uri"})
    try:
        yield report.told_to(told)
    except BaseException:
        log.end("FAILED")
        raise
    if report.is_stopped:
        log.end("KILLED")
        return
    log.data("samples.json", told.samples)
    log.end("FINISHED")
    kept.unlink(missing_ok=True)


class _Told:
    """Takes the events of a tuning: MLflow is told of curves, hashes and the adapter, samples are kept for the end."""

    def __init__(self, log: MlflowLog) -> None:
        self._log = log
        self.samples: list[dict[str, Any]] = []

    def __call__(self, event: JobEvent) -> None:
        match event:
            case PointMade():
                self._log.point(event.series, event.step, event.value)
            case Sample() if len(self.samples) < MAX_SAMPLES:
                self.samples.append(event.model_dump(mode="json", exclude={"at", "event"}))
            case Artefact(kind="adapter"):
                self._log.files(Path(event.path), "adapter")
            case Result():
                hashes = {name: str(event.values[name]) for name in _HASHES if name in event.values}
                if hashes:
                    self._log.tags(hashes)
                    self._log.data("data.json", event.values["data"])
