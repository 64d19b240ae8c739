"""Tunings of the demo model that take seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from multi_llm_comparator.jobs.events import JobEvent, JobNote, PointMade, Progress, Sample
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.training import lora
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options
from multi_llm_comparator.training.tuning_result import TuningResult

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "models" / "pytorch" / "demo-small"
PAIRS = [{"prompt": f"What colour is box {n}?", "completion": "blue"} for n in range(16)]
# Rows of such data are nearly the same; all of them are learnt.
AS_IT_IS = dict.fromkeys(("exact_duplicates", "near_duplicates", "encoding", "leftovers"), False)


class Told(Report):
    """Keeps what a tuning tells. With ``stops_at`` it is asked to stop after that step; ``then`` is called at each."""

    def __init__(self, *, stops_at: int | None = None, then: Callable[[int], None] = lambda step: None) -> None:
        super().__init__(self._keep, self._stops)
        self.events: list[JobEvent] = []
        self._stops_at, self._then = stops_at, then

    def _keep(self, event: JobEvent) -> None:
        self.events.append(event)
        if isinstance(event, PointMade) and event.series == "loss":
            self._then(event.step)

    def _stops(self) -> bool:
        curve = self.curve("loss")
        return self._stops_at is not None and bool(curve) and curve[-1][0] >= self._stops_at

    def curve(self, series: str) -> list[tuple[int, float]]:
        points = [e for e in self.events if isinstance(e, PointMade) and e.series == series]
        return [(point.step, point.value) for point in points]

    @property
    def told_steps(self) -> list[Progress]:
        return [event for event in self.events if isinstance(event, Progress) and event.unit == "steps"]

    @property
    def notes(self) -> str:
        return "\n".join(event.text for event in self.events if isinstance(event, JobNote))

    @property
    def samples(self) -> list[Sample]:
        return [event for event in self.events if isinstance(event, Sample)]


def options_for(data: Path, out: Path | None = None, *, model: Path = DEMO, **changes: Any) -> TuningOptions:
    """Eight steps over sixteen rows, nothing kept aside."""
    split = {"share": changes.pop("validation_share", 0.0)}
    given = {
        "model_path": str(model),
        "data": {"source": str(data), "cleaning": AS_IT_IS, "split": split},
        "output_dir": str(out) if out else None,
        "epochs": 2,
        "batch_size": 4,
    }
    return tuning_options(given | changes)


def tune(data: Path, out: Path, report: Report | None = None, *, model: Path = DEMO, **changes: Any) -> TuningResult:
    """Tune as the commands do, with checkpoints beside ``out``."""
    work = out.with_name(f".{out.name}.tuning")
    return lora.tune(options_for(data, out, model=model, **changes), work, report or Told())
