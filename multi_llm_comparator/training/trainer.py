"""The command that tunes a model: ``python -m multi_llm_comparator.training.trainer``, or ``llm-cooperation tune``.

Exit codes: 0 done, 1 the training failed, 2 wrong use, 130 stopped by Ctrl+C; the same command then resumes.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from multi_llm_comparator.core.command_end import INTERRUPTED, exit_code
from multi_llm_comparator.core.command_options import taking
from multi_llm_comparator.core.exceptions import InvalidParameterError, MultiLLMError, TrainingError
from multi_llm_comparator.core.plain_text import PlainConsole
from multi_llm_comparator.jobs.report import Report
from multi_llm_comparator.training.data.spec import HUB
from multi_llm_comparator.training.job import tune_in
from multi_llm_comparator.training.together import this_place
from multi_llm_comparator.training.tuning_options import TuningOptions, tuning_options
from multi_llm_comparator.training.tuning_printer import TuningPrinter, shown
from multi_llm_comparator.training.tuning_result import worse_than_chance
from multi_llm_comparator.training.tuning_spec import AskedJob, Elsewhere

AS_JOB = "--as_job"
# What knows the queue of jobs.
COMMANDS = "multi_llm_comparator.cli"
_NOT_OF_THE_TUNING = ("as_job", "ray", "ray_gpus", "as_json")

messages = PlainConsole(stderr=True, markup=False, highlight=False)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def _usual(name: str) -> Any:
    return TuningOptions.model_fields[name].default


def _option(name: str, help_text: str) -> Any:
    return typer.Option(f"--{name}", help=help_text)


@dataclass(frozen=True, kw_only=True)
class Given:
    """The options of the command."""

    model_path: Annotated[Path, _option("model_path", "Folder of the PyTorch model to tune.")]
    data_path: Annotated[Path, _option("data_path", "File or folder of chats to learn from, or hf:owner/name.")]
    output_dir: Annotated[Path, _option("output_dir", "Folder for the tuned model; must not exist.")]
    method: Annotated[str, _option("method", "lora, qlora or dpo.")] = _usual("method")
    epochs: Annotated[float, _option("epochs", "How often each answer is seen.")] = _usual("epochs")
    learning_rate: Annotated[float, _option("learning_rate", "At its highest.")] = _usual("learning_rate")
    schedule: Annotated[str, _option("schedule", "cosine, linear or constant.")] = _usual("schedule")
    warmup_share: Annotated[float, _option("warmup_share", "Steps over which the rate rises.")] = _usual("warmup_share")
    rank: Annotated[int, _option("rank", "Of the LoRA adapters.")] = _usual("rank")
    alpha: Annotated[float | None, _option("alpha", "Their scale times the rank; twice the rank if not given.")] = None
    dropout: Annotated[float, _option("dropout", "Share of their input that is left out.")] = _usual("dropout")
    target: Annotated[list[str] | None, _option("target", "A layer that gets one; again for more. All if none.")] = None
    batch_size: Annotated[int, _option("batch_size", "Answers in a micro-batch.")] = _usual("batch_size")
    accumulation: Annotated[int, _option("accumulation", "Micro-batches in a step.")] = _usual("accumulation")
    max_tokens: Annotated[
        int, _option("max_tokens", "Longer chats are left out; no more than the model's context.")
    ] = _usual("max_tokens")
    pack_tokens: Annotated[int, _option("pack_tokens", "Computed in one pass.")] = _usual("pack_tokens")
    packing: Annotated[bool, typer.Option("--packing/--no_packing", help="Several answers in a pass.")] = True
    precision: Annotated[str, _option("precision", "auto, float32 or bfloat16.")] = _usual("precision")
    checkpointing: Annotated[str, _option("checkpointing", "auto, true or false: less memory, slower.")] = "auto"
    validation_share: Annotated[float, _option("validation_share", "Of the rows, kept aside to measure on.")] = 0.0
    validation_path: Annotated[Path | None, _option("validation_path", "Chats to measure on.")] = None
    evaluate_every: Annotated[str, _option("evaluate_every", "Steps, or auto.")] = "auto"
    early_stopping_patience: Annotated[
        int | None, _option("early_stopping_patience", "Evaluations without progress before it ends.")
    ] = None
    prompt: Annotated[list[str] | None, _option("prompt", "Answered at each evaluation; again for more.")] = None
    clean: Annotated[bool, typer.Option("--clean/--no_clean", help="Leave out duplicates and damaged text.")] = False
    seed: Annotated[int, _option("seed", "Of the adapters and the order of answers.")] = _usual("seed")
    mlflow_uri: Annotated[str | None, _option("mlflow_uri", "Where MLflow is told of it.")] = None
    as_job: Annotated[bool, typer.Option(AS_JOB, help="Put it into the workbench's queue of jobs.")] = False
    ray: Annotated[str | None, _option("ray", "With --as_job: a Ray cluster, http://HOST:8265.")] = None
    ray_gpus: Annotated[int, typer.Option("--ray_gpus", min=0, max=1, help="GPUs that Ray is asked for.")] = 0
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")] = False


@app.command()
@taking(Given)
def train(given: Given) -> AskedJob | None:
    """Tune a model by LoRA on chats, and write the tuned model as a checkpoint of its own."""
    options = _options(vars(given))
    if given.ray and not given.as_job:
        raise InvalidParameterError(f"{given.ray!r} is for jobs: give {AS_JOB} with it")
    if given.as_job:
        # For who asked: the queue is no part of what tunes.
        return AskedJob(options, Elsewhere(given.ray, given.ray_gpus) if given.ray else None, given.as_json)
    output = Path(os.path.abspath(given.output_dir))  # noqa: PTH100 - a link is not what it points to
    work = output.with_name(f".{output.name}.tuning")
    if not this_place().is_first:
        # Ctrl+C reaches every process of a terminal; the first one tells the others when to end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        tune_in(options, work, Report(lambda _: None))
        return None
    with shown(messages) as printer, _asked_to_stop(printer) as asked:
        tune_in(options, work, Report(printer, lambda: bool(asked)))
    if given.as_json:
        result = {**printer.result, "output_dir": str(given.output_dir)}
        typer.echo(json.dumps(result, ensure_ascii=False, default=str))
    _tell(printer.result, given.output_dir, as_json=given.as_json)
    return None


def _options(all_given: Mapping[str, Any]) -> TuningOptions:
    """What was given on the command line, as the options of a tuning. Paths are made absolute: a job could take them.

    Raises:
        InvalidParameterError: a value is out of its range.
    """
    given = {name: value for name, value in all_given.items() if name not in _NOT_OF_THE_TUNING}
    data_path, validation = given.pop("data_path"), given.pop("validation_path")
    split = {"share": given.pop("validation_share"), "path": str(validation.absolute()) if validation else None}
    if not given.pop("clean"):
        cleaning = dict.fromkeys(("exact_duplicates", "near_duplicates", "encoding", "leftovers"), False)
    else:
        cleaning = {}
    source = str(data_path)
    if not source.startswith(HUB):
        source = str(data_path.absolute())
    given["data"] = {"source": source, "split": split, "cleaning": cleaning}
    given["model_path"] = str(given["model_path"].absolute())
    given["output_dir"] = os.path.abspath(given["output_dir"])  # noqa: PTH100
    given["targets"], given["fixed_prompts"] = given.pop("target") or (), given.pop("prompt") or ()
    choices = {"true": True, "false": False}
    given["checkpointing"] = choices.get(given["checkpointing"], given["checkpointing"])
    every = given["evaluate_every"]
    given["evaluate_every"] = int(every) if every.isdecimal() else every
    return tuning_options(given)


def _tell(result: dict[str, Any], output_dir: Path, *, as_json: bool) -> None:
    start = result["start"]
    if not result["is_done"]:
        messages.print(f"stopped after step {result['step']} of {result['steps']}; the same command resumes there")
        raise typer.Exit(INTERRUPTED)
    first, last = result["first_loss"], result["last_loss"]
    losses = f", loss {first:.3f} to {last:.3f}" if last is not None else ""
    before, best = result["first_validation_loss"], result["best_validation_loss"]
    measured = f", validation loss {before:.3f} to {best:.3f}" if best is not None else ""
    left_out = f", {start['left_out']:,} left out" if start["left_out"] else ""
    said = f"learnt {start['answers']:,} answers ({start['learnt_tokens']:,} tokens){losses}{measured}{left_out}"
    messages.print(said, style="green")
    if last is not None and (worse := worse_than_chance(last, start["vocabulary"])):
        messages.print(
            f"{worse}: it has learnt nothing that helps. If the loss fell, give it more "
            "--epochs or a higher --learning_rate; if it rose, a lower one; else tune a model that knows such text",
            style="yellow",
        )
    if not as_json:
        typer.echo(output_dir)


@contextlib.contextmanager
def _asked_to_stop(printer: TuningPrinter) -> Iterator[list[int]]:
    """Signals that ask to stop, as they come.

    Before the first step nothing would be lost, and a second one no longer waits for the step to end: they interrupt.
    Beside other processes it waits: a launcher hands on what a terminal has sent to everybody already.
    """
    asked: list[int] = []

    def remember(number: int, _: object) -> None:
        if not printer.has_begun or (asked and this_place().is_alone):
            raise KeyboardInterrupt
        asked.append(number)
        if len(asked) == 1:
            messages.print("stopping after this step …")

    before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def main() -> None:
    """Entry point: errors become one message and an exit code."""
    if AS_JOB in sys.argv[1:]:
        os.execv(sys.executable, [sys.executable, "-m", COMMANDS, "tune", *sys.argv[1:]])

    def is_wrong_use(exc: MultiLLMError) -> bool:
        return not isinstance(exc, TrainingError)

    sys.exit(
        exit_code(lambda: app(standalone_mode=False), lambda said: messages.print(said, style="red"), is_wrong_use)
    )


if __name__ == "__main__":
    main()
