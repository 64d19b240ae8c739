"""``llm-cooperation``: questions answered by several models together, from the command line.

Exit codes: 0 done, 1 no answer or an error while working, 2 wrong use or configuration, 130 stopped by Ctrl+C.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from multi_llm_comparator import __version__
from multi_llm_comparator.cli import dataset, measure, single
from multi_llm_comparator.cli.convert import convert_model
from multi_llm_comparator.cli.display import messages, output
from multi_llm_comparator.cli.export import export as write_export
from multi_llm_comparator.cli.jobs import jobs_commands
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    DocumentError,
    ModelNotFoundError,
    MultiLLMError,
    RunNotFoundError,
)
from multi_llm_comparator.core.home import open_home
from multi_llm_comparator.core.keys import hide_keys
from multi_llm_comparator.core.log_file import LogFile
from multi_llm_comparator.core.private_files import keep_files_private
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.telemetry import switch_off_telemetry
from multi_llm_comparator.core.usage_errors import shown
from multi_llm_comparator.evaluation.report_dataset import split_table
from multi_llm_comparator.evaluation.task_split import read_results
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.plans.config import CooperationConfig, DatasetSection, load_config, parse_config
from multi_llm_comparator.plans.plan import HARDEST
from multi_llm_comparator.plans.roles import Reach, cast_one, cast_roles, reach_without
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.training.trainer import train
from multi_llm_comparator.workbench import Services, finder, local_names, opened, scanned_models

DEFAULT_CONFIG = Path("config.yaml")
OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
WRONG_USE = (ConfigurationError, DocumentError, RunNotFoundError, ModelNotFoundError)
LOG_BYTES = 1_000_000

log = logging.getLogger(__name__)
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Configuration; see config.example.yaml.")]
OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of a data-set run; one begun earlier is resumed.")
]


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"llm-cooperation {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", is_eager=True, callback=_tell_version)
    ] = False,
) -> None:
    """Answer questions with several models together."""


@app.command()
def plan(
    config: ConfigOption = DEFAULT_CONFIG,
    query: Annotated[str | None, typer.Option(help="Answer this question instead of the configured ones.")] = None,
    folder: OutputOption = None,
) -> None:
    """Answer a question, measure a data set, or build one for tuning a planner, as the configuration says."""
    read = load_config(config)
    if query is not None:
        read = _with_query(read, query)
    _run(_plan(read, folder))


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="A run's id, or the folder of a data-set run.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Go on with what was stopped; nothing finished is repeated."""
    if dataset.is_dataset_folder(run):
        folder = Path(run)
        mode, stored, setup = dataset.stored_config(folder)
        if mode == "baseline":
            _run(_baseline(stored, setup.get("model"), None, setup.get("timeout_s"), folder))
        else:
            _run(_plan(stored, folder))
    else:
        _run(_resume(load_config(config) if config.exists() or config != DEFAULT_CONFIG else None, run))


@app.command()
def baseline(
    query: Annotated[str | None, typer.Option(help="Question to ask.")] = None,
    dataset_path: Annotated[Path | None, typer.Option("--dataset", help="Data set to ask, .json or .jsonl.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to ask; the configured large one if absent.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Questions of the data set at most.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds an answer may take.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    folder: OutputOption = None,
) -> None:
    """Ask a single model directly: what cooperation is compared with."""
    read = _config_or_model(config, model)
    if dataset_path is not None:
        section = DatasetSection(enabled=True, path=str(dataset_path), limit=limit)
        read = read.model_copy(update={"dataset": section})
    elif query is not None:
        read = _with_query(read, query)
    elif limit is not None:
        read = read.model_copy(update={"dataset": read.dataset.model_copy(update={"limit": limit})})
    _run(_baseline(read, model, query, timeout, folder))


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="A run's id.")],
    format: Annotated[
        str, typer.Option("--format", "-f", help="html, json, csv or md; of a plan run also svg or xml.")
    ] = "html",
    to: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="File or folder to write; - prints it. A file here, named after the run, if absent."
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="Of the words in html, md and svg: en or zh.")] = "en",
) -> None:
    """Write a stored run, a comparison or a plan, to a file."""
    _run(_export(run, format, language, to))


app.command("convert")(convert_model)
app.add_typer(measure.promptset, name="promptset")


@app.command()
def evaluate(
    model: Annotated[list[str] | None, typer.Option(help="A model, group or plan's target; once for each.")] = None,
    prompts: Annotated[
        str | None, typer.Option("--set", help="A .csv, .jsonl or .json file, or a set kept here.")
    ] = None,
    tasks: Annotated[str, typer.Option("--task", help="mmlu, ceval, gsm8k, bbh: several with commas.")] = "",
    data: Annotated[str | None, typer.Option(help="Folder with the tasks' data; the Hub if absent.")] = None,
    subjects: Annotated[str, typer.Option(help="Only these subjects of the tasks, with commas.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each subject of a task, the first ones.")] = None,
    shots: Annotated[int | None, typer.Option(min=0, max=64, help="Worked examples before each item.")] = None,
    chat: Annotated[bool, typer.Option(help="Put the tasks' prompts into the model's chat template.")] = False,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Ask each prompt so often, with seeds of their own.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, max=2)] = 0.0,
    max_tokens: Annotated[int, typer.Option(min=1)] = 256,
    judge: Annotated[str | None, typer.Option(help="Who judges rows that are to be judged.")] = None,
    judge_mode: Annotated[str, typer.Option(help="pairwise, rubric or reference.")] = "pairwise",
    title: Annotated[str, typer.Option(help="What the run is called.")] = "",
    resume_run: Annotated[str | None, typer.Option("--resume", help="Go on with this run instead.")] = None,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="Report: .html, .md, .csv or .json.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Ask many prompts of several models, score the answers, and say which model is better, and how surely."""
    measure.check_output(to)
    read = load_config(config) if config.exists() or config != DEFAULT_CONFIG else None
    if resume_run is not None:
        _run(_resume_evaluation(resume_run, read, to))
        return
    chosen = tuple(name.strip() for name in subjects.split(",") if name.strip())
    options = TaskOptions(shots=shots, limit=limit, chat=chat, subjects=chosen)
    models = scanned_models()
    names = [*(model or []), *([judge] if judge else [])]
    reach, targets = measure.reached(names, read, models)
    judged_by = (targets.pop(), judge_mode) if judge else None
    spec = measure.spec_of(
        targets,
        measure.labels_of(targets, model or [], models),
        measure.prompts_named(prompts) if prompts else None,
        measure.task_choices(tasks, data, options),
        ModelConfig(temperature=temperature, max_tokens=max_tokens),
        judged_by,
        title=title,
        repeats=repeats,
    )

    async def work() -> bool:
        async with opened(models, reach) as services:
            return await measure.evaluate(services, spec, to)

    _run(work())


@app.command()
def analyze(
    results: Annotated[Path, typer.Argument(help="A dataset_results.json.")],
    threshold: Annotated[
        int | None, typer.Argument(min=1, max=HARDEST + 1, help="Share the steps out as this threshold would have.")
    ] = None,
) -> None:
    """Show how steps were shared out between the small and the large model, by difficulty."""
    outcomes = read_results(results)
    shared = "as they were solved" if threshold is None else f"with a threshold of {threshold}"
    output.print(f"Steps of {len(outcomes)} questions, {shared}:\n\n{split_table(outcomes, threshold)}")


async def _resume_evaluation(run_id: str, config: CooperationConfig | None, to: Path | None) -> bool:
    async with opened(scanned_models(), reach_without(config or _config_of("any"))) as work:
        return await measure.resume(work, run_id, to)


async def _plan(config: CooperationConfig, folder: Path | None) -> bool:
    models = scanned_models()
    cast = cast_roles(config, finder(models), local_names(models))
    async with opened(models, cast.reach) as work:
        if config.dataset.enabled and config.dataset.build.enabled:
            return await dataset.build(work, config, cast, folder)
        if config.dataset.enabled:
            return await dataset.evaluate(work, config, cast, folder)
        if not config.query:
            raise ConfigurationError("there is nothing to answer: give --query, 'query', or enable a data set")
        return await single.answer(work, config, cast, config.query)


async def _resume(config: CooperationConfig | None, run_id: str) -> bool:
    models = scanned_models()
    cast = cast_roles(config, finder(models), local_names(models)) if config else None
    config = config or _config_of("any")
    async with opened(models, cast.reach if cast else reach_without(config)) as work:
        return await single.resume(work, config, cast.judge if cast else None, run_id)


async def _export(run_id: str, format: str, language: str, to: str | None) -> bool:
    return await _without_models(lambda work: write_export(work, run_id, format, language, to))


async def _without_models(do: Callable[[Services], Coroutine[Any, Any, bool]]) -> bool:
    """Do what asks no model, so that none is looked for."""
    async with opened(ModelManager(get_settings().models_dir), reach_without(_config_of("any"))) as work:
        return await do(work)


async def _baseline(
    config: CooperationConfig, model: str | None, query: str | None, timeout_s: float | None, folder: Path | None
) -> bool:
    models = scanned_models()
    reach: Reach
    reach, target = cast_one(config, model, finder(models), local_names(models))
    async with opened(models, reach) as work:
        if config.dataset.enabled:
            return await dataset.baseline(work, config, target, timeout_s, folder)
        if not config.query:
            raise ConfigurationError("there is nothing to ask: give --query or --dataset")
        return await single.ask_one(work, Path(config.system.reports), target, config.query, timeout_s)


app.command("tune")(train)


def _with_query(config: CooperationConfig, query: str) -> CooperationConfig:
    data = config.model_dump()
    return parse_config({**data, "query": query, "dataset": {**data["dataset"], "enabled": False}}, "--query")


def _config_or_model(path: Path, model: str | None) -> CooperationConfig:
    """The configuration; without the usual file a model's name is enough."""
    if model is not None and path == DEFAULT_CONFIG and not path.exists():
        return _config_of(model)
    return load_config(path)


def _config_of(model: str) -> CooperationConfig:
    return parse_config({"models": {"small_model": model, "large_model": model, "router_model": model}}, "--model")


def _run(work: Coroutine[Any, Any, bool]) -> None:
    """Run a command's work to its end, or to Ctrl+C."""

    async def until_told() -> bool:
        task = asyncio.current_task()
        assert task is not None
        # What a service manager sends means the same as Ctrl+C; a job in the background has that one switched off.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        is_done = asyncio.run(until_told())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    raise typer.Exit(OK if is_done else FAILED)


app.add_typer(jobs_commands(lambda do: _run(_without_models(do))), name="jobs")


def _keep_log() -> Path:
    open_home(get_settings().home)
    path = get_settings().home / "llm-cooperation.log"
    handler = LogFile(path, max_bytes=LOG_BYTES, backups=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(hide_keys)
    logging.getLogger().addHandler(handler)
    return path


def main() -> None:
    """Entry point: errors become one message and an exit code, never a traceback."""
    keep_files_private()
    switch_off_telemetry()
    try:
        path = _keep_log()
        code = app(standalone_mode=False) or OK
    except typer.Exit as exc:
        code = exc.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except WRONG_USE as exc:
        messages.print(f"error: {exc}", style="red")
        code = WRONG
    except MultiLLMError as exc:
        messages.print(f"error: {exc}", style="red")
        code = FAILED
    except OSError as exc:
        log.exception("the command failed")
        messages.print(f"error: {exc.filename or 'a file'}: {exc.strerror or exc}", style="red")
        code = FAILED
    except Exception as exc:
        if (wrong := shown(exc)) is not None:
            code = wrong
        else:
            log.exception("the command failed")
            messages.print(f"error: {type(exc).__name__}; the details are in {path}", style="red")
            code = FAILED
    sys.exit(code)


if __name__ == "__main__":
    main()
