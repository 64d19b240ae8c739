"""What a tuning tells, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from multi_llm_comparator.core.plain_text import PlainConsole
from multi_llm_comparator.jobs.events import JobEvent, JobNote, PointMade, Result
from multi_llm_comparator.jobs.events import Progress as Told

PHASES = {"reading": "Reading the data", "loading": "Loading the model", "saving": "Writing the tuned model"}
_STYLES = {"info": "", "warning": "yellow", "error": "red"}


class TuningPrinter:
    """A sink of a job's events that prints them: notes as lines, steps as a bar.

    ``has_begun`` tells whether steps are being taken, ``result`` is what the tuning said of itself last.
    """

    def __init__(self, messages: PlainConsole, bar: Progress) -> None:
        self._messages, self._bar = messages, bar
        self._task: TaskID | None = None
        self._loss: dict[str, float] = {}
        self.result: dict[str, Any] = {}

    @property
    def has_begun(self) -> bool:
        return self._task is not None

    def __call__(self, event: JobEvent) -> None:
        match event:
            case JobNote(level=level, text=text):
                self._messages.print(text, style=_STYLES[level])
            case Result(values=values):
                self._on_result(values)
            case PointMade(series=series, value=value) if series in ("loss", "validation_loss"):
                self._on_loss(series, value)
            case Told(unit="steps"):
                self._on_step(event)
            case _:
                if (name := getattr(event, "name", None)) in PHASES:
                    self._messages.print(f"{PHASES[name]} …")

    def _on_result(self, values: dict[str, Any]) -> None:
        self.result = values
        if "estimate" not in values:
            return
        expected, start = values["estimate"], values["start"]
        aside = f", {start['kept_aside']:,} kept aside" if start["kept_aside"] else ""
        self._messages.print(f"{start['answers']:,} answers to learn ({start['learnt_tokens']:,} tokens){aside}")
        about = timedelta(seconds=round(expected["seconds"]))
        self._messages.print(f"needs about {expected['peak_bytes'] / 1e9:.1f} GB and {about}")

    def _on_step(self, told: Told) -> None:
        if self._task is None:
            self._task = self._bar.add_task("tuning", total=told.total, loss="", left="")
            self._messages.print(f"{told.total - told.done:,} of {told.total:,} steps to go")
        self._bar.update(
            self._task,
            completed=told.done,
            total=told.total,
            loss=", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in self._loss.items()),
            left="" if told.left_s is None else f"about {timedelta(seconds=round(told.left_s))} left",
        )
        if self._messages.is_terminal:
            self._bar.refresh()

    def _on_loss(self, series: str, value: float) -> None:
        self._loss[series] = value


@contextmanager
def shown(messages: PlainConsole) -> Iterator[TuningPrinter]:
    """A printer whose bar is on the screen meanwhile."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"))
    more = (TimeElapsedColumn(), TextColumn("{task.fields[loss]}"), TextColumn("{task.fields[left]}"))
    with Progress(*columns, *more, console=messages, auto_refresh=False) as bar:
        yield TuningPrinter(messages, bar)
