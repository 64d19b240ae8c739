"""``llm-cooperation runs``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do, do_stored
from multi_llm_comparator.cli.options import JsonOption, command_group

run_commands = command_group("Stored runs: list, show, stop, mark, archive, delete.")
_do = partial(do_stored, "runs")


@run_commands.command("list")
def list_runs(
    kind: Annotated[str | None, typer.Option(help="comparison, plan, cooperation, service, evaluation, ...")] = None,
    state: Annotated[str | None, typer.Option(help="queued, running, done, failed, stopped or interrupted.")] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Runs in which this model was asked.")] = None,
    tag: Annotated[str | None, typer.Option(help="Runs with this tag.")] = None,
    key: Annotated[str | None, typer.Option(help="Runs made for this key, by its beginning: mlc-...")] = None,
    days: Annotated[float | None, typer.Option(min=0.01, max=36_500, help="Of the last so many days.")] = None,
    text: Annotated[str, typer.Option(help="A text in titles, prompts, answers, tags or notes.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="The newest so many.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """List runs of every kind, newest first."""
    wanted = {
        "kind": kind,
        "states": (state,) if state else (),
        "model": model,
        "tag": tag,
        "caller": key and key.removeprefix("mlc-"),
        "text": text,
    }
    _do("list_runs", wanted, days, limit, as_json)


@run_commands.command()
def show(run_id: Annotated[str, typer.Argument(help="A run's id.")], as_json: JsonOption = False) -> None:
    """Show a run: with --json all that its export has."""
    _do("show_run", run_id, as_json)


@run_commands.command()
def stop(run_id: Annotated[str, typer.Argument(help="A run's id.")], as_json: JsonOption = False) -> None:
    """Stop a run that the workbench works on; what is there stays. Go on with it: resume RUN."""
    do("runs", "stop_run", run_id, as_json)


@run_commands.command()
def mark(
    run_id: Annotated[str, typer.Argument(help="A run's id.")],
    title: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    note: Annotated[str | None, typer.Option(help="Its note; '' takes it away.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Its tags from now on; once for each.")] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take all tags away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a run another title, tags, a note; without options show them."""
    _do("mark_run", run_id, title, note, [] if no_tags else tag, as_json)


@run_commands.command()
def archive(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN...", help="The ids of runs.")],
    to: Annotated[Path, typer.Option("--output", "-o", help="The .zip file to write.")],
    format: Annotated[str, typer.Option("--format", "-f", help="Of each run: json, html, md or csv.")] = "json",
    language: Annotated[str, typer.Option(help="Of the words in html and md: en or zh.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """Write several runs as one ZIP file."""
    _do("archive_runs", run_ids, to, format, language, as_json)


@run_commands.command()
def delete(run_ids: Annotated[list[str], typer.Argument(help="The ids of runs.")], as_json: JsonOption = False) -> None:
    """Delete runs for good; those at work are stopped first."""
    _do("delete_runs", run_ids, as_json)
