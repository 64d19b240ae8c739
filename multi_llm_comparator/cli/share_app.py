"""``llm-cooperation share``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do, do_stored
from multi_llm_comparator.cli.options import AloneOption, JsonOption, command_group

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")]
BundleFile = Annotated[Path, typer.Argument(help="A .zip file that bundle wrote, here or elsewhere.")]

share_commands = command_group("Runs for others: links that show one, bundles that are run again.")
_do = partial(do_stored, "sharing")


@share_commands.command()
def link(
    run_id: RunId,
    days: Annotated[float, typer.Option(min=0.001, max=365, help="How long it shows the run.")] = 7.0,
    as_json: JsonOption = False,
) -> None:
    """Make a link that shows this one run to whoever has it, without a key."""
    _do("link", run_id, days, as_json)


@share_commands.command("list")
def list_links(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="Of this run; of all if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List links that still show a run."""
    _do("list_links", run_id, as_json)


@share_commands.command("take-back")
def take_back(
    link_id: Annotated[str, typer.Argument(metavar="LINK", help="A link's id, as list shows it.")],
    as_json: JsonOption = False,
) -> None:
    """Have a link show nothing from now on."""
    _do("take_back", link_id, as_json)


@share_commands.command()
def bundle(
    run_id: RunId,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", help="A .zip file or a folder; a file here if absent.")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the report in it: en or zh.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """Write a comparison or votes with all that is needed to run it again."""
    _do("bundle", run_id, to, language, as_json)


@share_commands.command()
def look(file: BundleFile, as_json: JsonOption = False) -> None:
    """Say what a bundle holds, and what is otherwise on this machine."""
    do("sharing", "look", file, as_json)


@share_commands.command("open")
def open_file(file: BundleFile, as_json: JsonOption = False) -> None:
    """Keep the comparison of a bundle, or of an export as JSON, as a run of this machine; nobody is asked."""
    _do("open_file", file, as_json)


@share_commands.command()
def again(file: BundleFile, as_json: JsonOption = False, alone: AloneOption = False) -> None:
    """Make the same run here, with the models of this machine."""
    do("sharing", "again", file, as_json, alone)
