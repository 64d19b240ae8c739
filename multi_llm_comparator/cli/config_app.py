"""``llm-config``: endpoints, declared models, groups, keys, settings, and the whole configuration as a file.

As in :mod:`cli.app`, what a command does is imported when it is typed.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do, end_of
from multi_llm_comparator.cli.group_app import group_commands
from multi_llm_comparator.cli.options import JsonOption, version_of
from multi_llm_comparator.cli.settings_app import secret_commands, settings_commands

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
keys = typer.Typer(no_args_is_help=True, help="Keys of the API: make, list, revoke, delete; short-lived signed tokens.")
app.add_typer(keys, name="key")
app.add_typer(group_commands, name="group")
app.add_typer(secret_commands, name="secret")
app.add_typer(settings_commands, name="settings")


@app.callback()
def common(version: Annotated[bool, version_of("llm-config")] = False) -> None:
    """Configure endpoints, models, groups, keys and settings."""


@app.command()
def preset(
    name: Annotated[str | None, typer.Option(help="Of a known endpoint; all are listed if absent.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Kept encrypted as store:NAME. '-' reads it from a pipe.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Of an endpoint that is not known by name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Choose the endpoint that add-model means, and keep its key."""
    do("configuring", "preset", name, api_key, base_url, as_json)


@app.command("add-model")
def add_model(
    name: Annotated[str, typer.Option(help="What it is called here.")],
    path: Annotated[str, typer.Option(help="What the endpoint calls it, such as provider/model.")],
    tasks: Annotated[list[str] | None, typer.Option(help="What it is good at, kept as tags; may be repeated.")] = None,
    base_url: Annotated[str | None, typer.Option(help="Its endpoint; that of the preset if absent.")] = None,
    api_key: Annotated[str | None, typer.Option(help="Kept encrypted as store:NAME. '-' reads it from a pipe.")] = None,
    context_length: Annotated[int | None, typer.Option(min=1, help="Tokens of its context.")] = None,
    more_tasks: Annotated[list[str] | None, typer.Argument(metavar="TASK", help="More tags.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Declare a model of an endpoint in the task groups' file."""
    tags = [*(tasks or ()), *(more_tasks or ())]
    do("configuring", "add_model", name, path, tags, base_url, api_key, context_length, as_json)


@app.command("remove-model")
def remove_model(
    name: Annotated[str, typer.Option(help="What it is called here.")],
    as_json: JsonOption = False,
) -> None:
    """Take a model out of the task groups' file."""
    do("configuring", "remove_model", name, as_json)


@app.command()
def test(
    model: Annotated[str | None, typer.Option(help="One model; all endpoints and groups if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Ask models one word and say how long each took."""
    do("looking", "test", model, as_json, alone=True)


@app.command("list")
def list_all(as_json: JsonOption = False) -> None:
    """Show declared models, groups, the preset, names of kept keys."""
    do("configuring", "list_all", as_json)


@app.command()
def export(
    file: Annotated[str, typer.Argument(help="JSON file to write; - prints it.")] = "-", as_json: JsonOption = False
) -> None:
    """Write the configuration as one JSON file, without any key."""
    do("configuring", "export", file, as_json)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A file that export wrote.")],
    as_json: JsonOption = False,
) -> None:
    """Take over a configuration; the old task groups' file is kept beside the new one."""
    do("configuring", "import_file", file, as_json)


@keys.command("add")
def add_key(
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="models (the default), pages or admin; may be repeated.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.001, help="Days until it expires; never if absent.")] = None,
    rpm: Annotated[int | None, typer.Option(help="Requests a minute at most.")] = None,
    tpm: Annotated[int | None, typer.Option(help="Tokens a minute at most.")] = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests at once at most.")] = None,
    budget: Annotated[float | None, typer.Option(help="US dollars a day at most.")] = None,
    priority: Annotated[str, typer.Option(help="low, normal or high.")] = "normal",
    model: Annotated[
        list[str] | None,
        typer.Option(help="A name that it may ask, * for any characters; all if absent; may be repeated."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it, once."""
    limits = {
        "rpm": rpm,
        "tpm": tpm,
        "concurrency": concurrency,
        "budget_per_day_usd": budget,
        "priority": priority,
        "models": tuple(model or ()),
    }
    do("key_commands", "add", name, scope or ["models"], days, limits, as_json)


@keys.command("list")
def list_keys(as_json: JsonOption = False) -> None:
    """Show all keys, without their secrets."""
    do("key_commands", "list_all", as_json)


@keys.command("revoke")
def revoke_key(key: Annotated[str, typer.Argument(help="Its beginning, mlc-...")], as_json: JsonOption = False) -> None:
    """Refuse a key from now on."""
    do("key_commands", "revoke", key, as_json)


@keys.command("delete")
def delete_key(key: Annotated[str, typer.Argument(help="Its beginning, mlc-...")], as_json: JsonOption = False) -> None:
    """Forget a key that is revoked or has expired."""
    do("key_commands", "delete", key, as_json)


@keys.command("usage")
def key_usage(
    hours: Annotated[float, typer.Option(min=0.01, max=24 * 3650, help="Of the last so many hours.")] = 24.0,
    as_json: JsonOption = False,
) -> None:
    """Requests, tokens, cost and latency by key and model."""
    do("key_commands", "usage", hours, as_json)


@keys.command("token")
def sign_token(
    key: Annotated[str, typer.Argument(help="The beginning of the key whose limits hold, mlc-...")],
    minutes: Annotated[float, typer.Option(min=0.1, help="How long it is valid.")] = 60.0,
    scope: Annotated[list[str] | None, typer.Option(help="Fewer scopes than the key has; may be repeated.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Print a signed token (JWT) that acts as a key for a while; needs jwt_secret in the settings."""
    do("key_commands", "token", key, minutes, scope, as_json)


def main() -> None:
    """Entry point."""
    sys.exit(end_of(app, "llm-config"))


if __name__ == "__main__":
    main()
