"""``llm-cooperation prompt`` and ``parameters``: words and options; what they do is imported when it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from multi_llm_comparator.cli.options import JsonOption, command_group

Name = Annotated[str, typer.Argument(help="Its name.")]

prompt_commands = command_group("The prompt library: list, show, save, delete.")
parameter_commands = command_group("Named sets of parameters: list, save, delete, export, import.")


@prompt_commands.command("list")
def list_prompts(
    text: Annotated[str, typer.Argument(help="A text in names, tags or prompts.")] = "", as_json: JsonOption = False
) -> None:
    """List saved prompts."""
    _do("list_prompts", text, as_json)


@prompt_commands.command("show")
def show_prompt(name: Name, as_json: JsonOption = False) -> None:
    """Print a saved prompt: query -q "$(llm-cooperation prompt show NAME)"."""
    _do("show_prompt", name, as_json)


@prompt_commands.command("save")
def save_prompt(
    name: Name,
    text: Annotated[str | None, typer.Option(help="The prompt; read from a pipe if absent.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Once for each.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep a prompt, in place of an earlier one of that name."""
    _do("save_prompt", name, text, tuple(tag or ()), as_json)


@prompt_commands.command("delete")
def delete_prompt(name: Name, as_json: JsonOption = False) -> None:
    """Forget a prompt."""
    _do("delete_prompt", name, as_json)


@parameter_commands.command("list")
def list_parameters(as_json: JsonOption = False) -> None:
    """List named sets of parameters."""
    _do("list_parameters", as_json)


@parameter_commands.command("save")
def save_parameters(
    name: Name,
    values: Annotated[list[str], typer.Argument(metavar="PARAMETER=VALUE...", help="Such as temperature=0.2.")],
    note: Annotated[str, typer.Option(help="What they are good for.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Keep parameters under a name, in place of earlier ones: compare --parameters NAME."""
    _do("save_parameters", name, values, note, as_json)


@parameter_commands.command("delete")
def delete_parameters(name: Name, as_json: JsonOption = False) -> None:
    """Forget a set of parameters."""
    _do("delete_parameters", name, as_json)


@parameter_commands.command("export")
def export_parameters(
    file: Annotated[Path, typer.Argument(help="The .json file to write.")],
    name: Annotated[list[str] | None, typer.Option(help="Only these; repeatable.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write sets of parameters to a file for another machine."""
    _do("export_parameters", file, name, as_json)


@parameter_commands.command("import")
def import_parameters(
    file: Annotated[Path, typer.Argument(help="A file that export wrote.")], as_json: JsonOption = False
) -> None:
    """Add the sets of a file; none that is here is replaced."""
    _do("import_parameters", file, as_json)


def _do(name: str, *given: Any) -> None:
    from multi_llm_comparator.cli import library

    getattr(library, name)(*given)
