"""``llm-cooperation hub``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do
from multi_llm_comparator.cli.options import JsonOption, command_group

Repository = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="A repository, or the address of its page.")]
Revision = Annotated[str | None, typer.Option(help="A branch, tag or commit; the main branch if absent.")]

hub_commands = command_group("Models of the Hugging Face Hub: search, list, fetch, starters.")
_do = partial(do, "fetching")


@hub_commands.command()
def search(
    words: Annotated[list[str], typer.Argument(help="In the names of repositories.")],
    only_gguf: Annotated[bool, typer.Option("--gguf", help="Only those with GGUF files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find models that write text, the most downloaded first."""
    _do("search", " ".join(words), only_gguf, as_json)


@hub_commands.command("list")
def list_choices(repository: Repository, revision: Revision = None, as_json: JsonOption = False) -> None:
    """List what a repository offers, and whether it would fit on this machine."""
    _do("list_choices", repository, revision, as_json)


@hub_commands.command()
def get(
    repository: Repository,
    choice: Annotated[
        str | None, typer.Argument(help="Its number in list, or a part of its name; not needed where there is one.")
    ] = None,
    revision: Revision = None,
    as_json: JsonOption = False,
) -> None:
    """Fetch a model, or go on fetching one that was broken off; Ctrl+C keeps what has arrived."""
    _do("get", repository, choice, revision, as_json)


@hub_commands.command()
def starters(as_json: JsonOption = False) -> None:
    """List well-known small models, and whether they would fit on this machine."""
    _do("starter_list", as_json)
