"""``llm-cooperation model``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do
from multi_llm_comparator.cli.options import JsonOption, command_group

Name = Annotated[str, typer.Argument(metavar="MODEL", help="A model of this machine, by name or id.")]

model_commands = command_group("One model: show, load, unload, keep, note, rename, delete; what is in memory.")
_do = partial(do, "model_work")


@model_commands.command()
def show(
    model: Name,
    context: Annotated[int | None, typer.Option(min=64, help="Tokens of context, of what loading it takes.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what is known of a model, its note and tags, and what loading it would take."""
    _do("show", model, context, as_json)


@model_commands.command()
def memory(as_json: JsonOption = False) -> None:
    """List the models in memory of the workbench that runs, and how each is kept."""
    _do("memory", as_json)


@model_commands.command()
def load(
    model: Name,
    context: Annotated[int | None, typer.Option(min=64, help="Tokens of context; as recommended if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Load a model into the workbench that runs, ahead of its first question."""
    _do("load", model, context, as_json)


@model_commands.command()
def unload(
    model: Name,
    force: Annotated[bool, typer.Option("--force", help="Also one that is answering: its requests fail.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a model out of the memory of the workbench that runs."""
    _do("unload", model, force, as_json)


@model_commands.command()
def keep(
    model: Name,
    pin: Annotated[
        bool | None, typer.Option("--pin/--unpin", help="Once loaded it stays, whatever others need.")
    ] = None,
    at_start: Annotated[
        bool | None, typer.Option("--at-start/--not-at-start", help="Loaded when the workbench starts.")
    ] = None,
    idle: Annotated[
        float | None, typer.Option(min=0, max=525_600, help="Minutes idle until it is unloaded; 0 is never.")
    ] = None,
    slots: Annotated[int | None, typer.Option(min=1, help="Requests that it decodes together; else tuned.")] = None,
    as_all: Annotated[
        list[str] | None, typer.Option(help="pinned, at_start, idle_unload_s or slots: as for all models again.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how a model is kept in memory: pinned, loaded at the start, unloaded when idle; without options show it."""
    idle_unload_s = None if idle is None else idle * 60
    changes = {"pinned": pin, "at_start": at_start, "idle_unload_s": idle_unload_s, "slots": slots}
    _do("keep", model, {name: one for name, one in changes.items() if one is not None}, as_all or [], as_json)


@model_commands.command()
def note(
    model: Name,
    text: Annotated[str | None, typer.Option("--text", help="The note; '' takes it away.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Its tags from now on; once for each.")] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take all tags away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a note and tags to a model; without options show them."""
    _do("note", model, text, [] if no_tags else tag, as_json)


@model_commands.command()
def rename(
    model: Name,
    name: Annotated[str, typer.Argument(help="The new name of its file or folder, without ending.")],
    as_json: JsonOption = False,
) -> None:
    """Give a model's file or folder another name; its note goes along."""
    _do("rename", model, name, as_json)


@model_commands.command()
def delete(
    model: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Without it, only say what would be deleted.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete a model's files for good."""
    _do("delete", model, yes, as_json)
