"""``llm-config secret`` and ``settings``: words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do
from multi_llm_comparator.cli.options import JsonOption, command_group

secret_commands = command_group("Keys of endpoints, kept encrypted: list, set, delete.")
settings_commands = command_group("Settings of the workbench: list, set, unset.")
_do = partial(do, "settings_work")
SecretName = Annotated[str, typer.Argument(help="Named in the groups' file as store:NAME.")]


@secret_commands.command("list")
def list_secrets(as_json: JsonOption = False) -> None:
    """List the names of all kept keys; a key itself never comes out again."""
    _do("list_secrets", as_json)


@secret_commands.command("set")
def set_secret(
    name: SecretName,
    key: Annotated[
        str, typer.Option(help="The key; '-' reads it from a pipe, where no list of processes shows it.")
    ] = "-",
    as_json: JsonOption = False,
) -> None:
    """Keep a key, in place of an earlier one of that name."""
    _do("set_secret", name, key, as_json)


@secret_commands.command("delete")
def delete_secret(name: SecretName, as_json: JsonOption = False) -> None:
    """Forget a key."""
    _do("delete_secret", name, as_json)


@settings_commands.command("list")
def list_settings(
    changed: Annotated[bool, typer.Option("--changed", help="Only those that are not as they come.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List all settings with their values; secrets are hidden."""
    _do("list_settings", changed, as_json)


@settings_commands.command("set")
def set_settings(
    values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="The value as YAML.")],
    as_json: JsonOption = False,
) -> None:
    """Change settings; a wrong value is said, and nothing is written."""
    _do("set_settings", values, as_json)


@settings_commands.command()
def unset(
    names: Annotated[list[str], typer.Argument(help="Of settings that are to be as they come.")],
    as_json: JsonOption = False,
) -> None:
    """Take settings out of the file."""
    _do("unset", names, as_json)
