"""A tuning's report that MLflow reads too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.jobs.events import Level, SampleKind
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.tracking.mlflow_log import MlflowLog, local_uri
from multi_llm_comparator.training.tuning_options import TuningOptions

EXPERIMENT = "tuning"
LOCAL = "local"
RUN_FILE = "mlflow_run.txt"
MAX_SAMPLES = 2_000


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
    name = f"{Path(options.model_path).name} on {Path(options.data.source).name}"
    log = MlflowLog(uri, EXPERIMENT, name, run_id=run_id, on_problem=lambda text: report.note("warning", text))
    if log.run_id and not run_id:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(log.run_id, encoding="utf-8")
    told = _Told(report, log)
    if run_id is None:
        # The address may have a password in it.
        log.params({name: value for name, value in _flat(options.to_dict()).items() if name != "mlflow_uri"})
    try:
        yield told
    except BaseException:
        log.end("FAILED")
        raise
    if report.is_stopped:
        log.end("KILLED")
        return
    log.data("samples.json", told.samples)
    log.end("FINISHED")
    kept.unlink(missing_ok=True)


class _Told(Report):
    """Hands everything on, and curves, samples, hashes and artefacts to MLflow besides."""

    def __init__(self, inner: Report, log: MlflowLog) -> None:
        super().__init__(lambda event: None)
        self._inner, self._log = inner, log
        self.samples: list[dict[str, Any]] = []

    @property
    def is_stopped(self) -> bool:
        return self._inner.is_stopped

    def phase(self, name: str) -> None:
        self._inner.phase(name)

    def progress(self, done: int, total: int, unit: str = "steps", left_s: float | None = None) -> None:
        self._inner.progress(done, total, unit, left_s)

    def point(self, series: str, step: int, value: float) -> None:
        self._inner.point(series, step, value)
        self._log.point(series, step, value)

    def sample(
        self,
        step: int,
        kind: SampleKind,
        prompt: str,
        answer: str,
        *,
        reference: str | None = None,
        score: float | None = None,
    ) -> None:
        self._inner.sample(step, kind, prompt, answer, reference=reference, score=score)
        if len(self.samples) < MAX_SAMPLES:
            told = {"step": step, "kind": kind, "prompt": prompt, "answer": answer}
            self.samples.append({**told, "reference": reference, "score": score})

    def note(self, level: Level, text: str) -> None:
        self._inner.note(level, text)

    def artefact(self, kind: str, path: Path | str, **about: Any) -> None:
        self._inner.artefact(kind, path, **about)
        if kind == "adapter":
            self._log.files(Path(path), "adapter")

    def result(self, values: dict[str, Any]) -> None:
        self._inner.result(values)
        names: tuple[str, ...] = ("model_hash", "data_hash")
        hashes = {name: str(values[name]) for name in names if name in values}
        if hashes:
            self._log.tags(hashes)
            self._log.data("data.json", values["data"])


def _flat(data: dict[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in data.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found
