"""``llm-cooperation jobs``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from multi_llm_comparator.cli.exits import do, do_stored
from multi_llm_comparator.cli.options import JsonOption, command_group

RunId = Annotated[str, typer.Argument(help="A job's id.")]

jobs_commands = command_group("Tunings and other long work: list, show, stop, resume.")
_do = partial(do_stored, "jobs")


@jobs_commands.command("list")
def list_jobs(as_json: JsonOption = False) -> None:
    """List jobs, newest first."""
    _do("list_jobs", as_json)


@jobs_commands.command()
def show(run_id: RunId, as_json: JsonOption = False) -> None:
    """Show a job: how far it is, what came out, what it printed last."""
    _do("show_job", run_id, as_json)


@jobs_commands.command()
def stop(run_id: RunId, as_json: JsonOption = False) -> None:
    """Have a job write a checkpoint and end, also one that the app follows."""
    _do("stop_job", run_id, as_json)


@jobs_commands.command()
def resume(run_id: RunId, as_json: JsonOption = False) -> None:
    """Continue a job from its last checkpoint, and show how far it is. Ctrl+C leaves it at work."""
    _do("resume_job", run_id, as_json)


@jobs_commands.command()
def move(
    run_id: RunId,
    before: Annotated[str | None, typer.Option(help="The id of a waiting job; the last place if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Give a waiting job another place in the queue of the workbench that runs."""
    do("jobs", "move_job", run_id, before, as_json)


@jobs_commands.command("lm-eval")
def lm_eval(
    model: Annotated[str, typer.Option(help="A model of this machine, or its folder or file.")],
    task: Annotated[list[str], typer.Option(help="A task or group of lm-eval; once for each.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each task.")] = None,
    shots: Annotated[int | None, typer.Option(min=0, max=64, help="Worked examples; as each task has them.")] = None,
    chat: Annotated[bool, typer.Option(help="Put prompts into the model's chat template.")] = False,
    n_ctx: Annotated[int, typer.Option(min=64, help="Longer prompts lose their beginning.")] = 2048,
    tasks_folder: Annotated[Path | None, typer.Option(help="Folder with further task files.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run any task of lm-evaluation-harness on a model, as a job. Ctrl+C leaves it at work."""
    folder = str(tasks_folder.resolve()) if tasks_folder else None
    options = {"tasks": task, "limit": limit, "shots": shots, "chat": chat, "n_ctx": n_ctx, "include_path": folder}
    _do("start_lm_eval", model, options, as_json, scans=True)


@jobs_commands.command()
def opencompass(
    model: Annotated[str, typer.Option("--model", "-m", help="A model, group or plan:NAME of the API.")],
    python: Annotated[Path, typer.Option(help="Interpreter of an environment with OpenCompass: ENV/bin/python.")],
    dataset: Annotated[list[str] | None, typer.Option(help="ceval, mmlu, gsm8k; repeatable.")] = None,
    subject: Annotated[list[str] | None, typer.Option(help="Only this subject; repeatable.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each subject, the first ones.")] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Folder with a tokenizer.json, to count what fits; fetched if absent.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with OpenCompass's data; fetched if absent.")] = None,
    n_ctx: Annotated[
        int, typer.Option(min=64, help="Context that the model is served with; a longer prompt fails its subject.")
    ] = 2048,
    base_url: Annotated[
        str | None, typer.Option(help="The API; the running workbench's or llm-server's if absent.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Have OpenCompass measure a model over the API, and show how far it is. Ctrl+C leaves it at work."""
    options: dict[str, Any] = {"model": model, "python": str(python.absolute()), "limit": limit, "base_url": base_url}
    options |= {"datasets": dataset or ["ceval", "mmlu"], "subjects": subject or [], "n_ctx": n_ctx}
    options |= {
        name: None if at is None else str(at.absolute()) for name, at in (("tokenizer", tokenizer), ("data", data))
    }
    _do("start_opencompass", options, as_json)
