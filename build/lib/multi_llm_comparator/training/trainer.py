"""The command that tunes a model: ``python -m multi_llm_comparator.training.trainer``.

Exit codes: 0 done, 1 the training failed, 2 wrong use, 130 stopped by Ctrl+C; the same command then goes on.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from multi_llm_comparator.core.exceptions import MultiLLMError, TrainingError
from multi_llm_comparator.core.plain_text import PlainConsole
from multi_llm_comparator.core.usage_errors import shown
from multi_llm_comparator.training.tuning_options import TuningOptions, TuningProgress, TuningResult, TuningStart

FAILED, WRONG, INTERRUPTED = 1, 2, 130
DEFAULTS = TuningOptions()
messages = PlainConsole(stderr=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def train(
    model_path: Annotated[Path, typer.Option("--model_path", help="Folder of the PyTorch model to tune.")],
    data_path: Annotated[Path, typer.Option("--data_path", help="Chats to learn from, .json or .jsonl.")],
    output_dir: Annotated[Path, typer.Option("--output_dir", help="Folder for the tuned model; must not exist.")],
    epochs: Annotated[float, typer.Option(help="How often each answer is seen.")] = DEFAULTS.epochs,
    learning_rate: Annotated[float, typer.Option("--learning_rate", help="At its highest.")] = DEFAULTS.learning_rate,
    rank: Annotated[int, typer.Option(help="Of the LoRA adapters.")] = DEFAULTS.rank,
    batch_size: Annotated[int, typer.Option("--batch_size", help="Answers in a step.")] = DEFAULTS.batch_size,
    max_tokens: Annotated[
        int, typer.Option("--max_tokens", help="Longer chats are left out; no more than the model's context.")
    ] = DEFAULTS.max_tokens,
    seed: Annotated[int, typer.Option(help="Of the adapters and the order of answers.")] = DEFAULTS.seed,
) -> None:
    """Tune a model by LoRA on chats, and write the tuned model as a checkpoint of its own."""
    options = TuningOptions(
        epochs=epochs,
        learning_rate=learning_rate,
        rank=rank,
        batch_size=batch_size,
        max_tokens=max_tokens,
        seed=seed,
    )
    with _shown_progress() as bar, _asked_to_stop(bar) as asked:
        messages.print(f"Loading {model_path} …")
        # torch and its company take seconds to import; a wrong option is told before.
        from multi_llm_comparator.training.lora import tune

        result = tune(
            model_path,
            data_path,
            output_dir,
            options,
            on_start=bar.start,
            on_progress=bar,
            is_stopped=lambda: bool(asked),
        )
    _tell(result, output_dir)


def _tell(result: TuningResult, output_dir: Path) -> None:
    start = result.start
    if not result.is_done:
        messages.print(f"stopped after step {result.step} of {result.steps}; the same command goes on from there")
        raise typer.Exit(INTERRUPTED)
    losses = f", loss {result.first_loss:.3f} to {result.last_loss:.3f}" if result.last_loss is not None else ""
    left_out = f", {start.left_out_count:,} left out" if start.left_out else ""
    messages.print(
        f"learnt {start.answers:,} answers ({start.learnt_tokens:,} tokens){losses}{left_out}", style="green"
    )
    if result.is_worse_than_chance:
        messages.print(
            f"{_chance(result.last_loss, start)}: it has learnt nothing that helps. If the loss fell, give it more "
            "--epochs or a higher --learning_rate; if it rose, a lower one; else tune a model that knows such text",
            style="yellow",
        )
    typer.echo(output_dir)


def _chance(loss: float | None, start: TuningStart) -> str:
    return (
        f"a loss of {loss:.2f} is worse than guessing among the model's {start.vocabulary:,} tokens "
        f"({start.chance_loss:.2f})"
    )


@contextlib.contextmanager
def _asked_to_stop(bar: _Bar) -> Iterator[list[int]]:
    """Signals that ask to stop, as they come.

    Before the first step nothing would be lost, and a second one no longer waits for the step to end: they interrupt.
    """
    asked: list[int] = []

    def remember(number: int, _: object) -> None:
        if asked or not bar.has_begun:
            raise KeyboardInterrupt
        asked.append(number)
        messages.print("stopping after this step …")

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Bar:
    """A progress bar that begins with the first step."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._start: TuningStart | None = None

    def start(self, start: TuningStart) -> None:
        """What is left out is said while it can still be mended: before the first step."""
        messages.print(f"{start.answers:,} answers to learn ({start.learnt_tokens:,} tokens)")
        for reason in start.left_out:
            messages.print(str(reason), style="yellow")
        self._start = start

    @property
    def has_begun(self) -> bool:
        return self._task is not None

    def __call__(self, told: TuningProgress) -> None:
        if self._task is None:
            self._task = self._progress.add_task("tuning", total=told.steps, loss="", left="")
            messages.print(f"{told.steps - told.step:,} of {told.steps:,} steps to go")
        self._progress.update(
            self._task,
            completed=told.step,
            total=told.steps,
            loss="" if told.loss is None else f"loss {told.loss:.3f}",
            left="" if told.seconds_left is None else f"about {timedelta(seconds=round(told.seconds_left))} left",
        )
        self._warn_of_chance(told)
        if messages.is_terminal:
            self._progress.refresh()

    def _warn_of_chance(self, told: TuningProgress) -> None:
        """Once, by the first loss: waiting for the end would cost the whole tuning."""
        if told.loss is None or self._start is None:
            return
        start, self._start = self._start, None
        if told.loss > start.chance_loss:
            messages.print(
                f"{_chance(told.loss, start)}: this model does not know such text yet, or its tokenizer is another "
                "model's. Ctrl+C stops; a model that can answer such chats at least badly learns them sooner",
                style="yellow",
            )


@contextlib.contextmanager
def _shown_progress() -> Iterator[_Bar]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"))
    more = (TimeElapsedColumn(), TextColumn("{task.fields[loss]}"), TextColumn("{task.fields[left]}"))
    with Progress(*columns, *more, console=messages, auto_refresh=False) as progress:
        yield _Bar(progress)


def main() -> None:
    """Entry point: errors become one message and an exit code, never a traceback."""
    try:
        code = app(standalone_mode=False) or 0
    except typer.Exit as exc:
        code = exc.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except MultiLLMError as exc:
        messages.print(f"error: {exc}", style="red")
        code = FAILED if isinstance(exc, TrainingError) else WRONG
    except OSError as exc:
        messages.print(f"error: {exc.filename or 'a file'}: {exc.strerror or exc}", style="red")
        code = FAILED
    except Exception as exc:
        if (wrong := shown(exc)) is None:
            raise
        code = wrong
    sys.exit(code)


if __name__ == "__main__":
    main()
