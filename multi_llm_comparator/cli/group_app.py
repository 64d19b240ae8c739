"""``llm-config group``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import typer

from multi_llm_comparator.cli.exits import do
from multi_llm_comparator.cli.options import JsonOption, command_group

Group = Annotated[str, typer.Argument(help="Its name.")]
Rpm = Annotated[int | None, typer.Option(min=0, help="Requests a minute at most; 0 is no limit.")]
Tpm = Annotated[int | None, typer.Option(min=0, help="Tokens a minute at most; 0 is no limit.")]
Concurrency = Annotated[int | None, typer.Option(min=0, help="Requests at once at most; 0 is no limit.")]
Dollars = Annotated[float | None, typer.Option(min=0, help="US dollars at most; 0 is no limit.")]

group_commands = command_group("Groups: list, show, set, level, delete, undo. Comments in their file stay.")
_do = partial(do, "group_work")


@group_commands.command("list")
def list_groups(as_json: JsonOption = False) -> None:
    """List groups with their levels and models."""
    _do("list_groups", as_json)


@group_commands.command()
def show(name: Group, as_json: JsonOption = False) -> None:
    """Show a group as it stands in the file."""
    _do("show", name, as_json)


@group_commands.command("set")
def set_group(
    name: Group,
    rename: Annotated[str | None, typer.Option(help="Its new name; whoever names it in the file follows.")] = None,
    description: Annotated[str | None, typer.Option(help="What it is for; '' takes it away.")] = None,
    strategy: Annotated[
        str | None,
        typer.Option(help="Where a failed request goes: echelon_down, model_rotate, provider_failover, group_switch."),
    ] = None,
    fallback: Annotated[
        list[str] | None, typer.Option(help="A group that goes on where this one cannot; repeatable; '' is none.")
    ] = None,
    when_full: Annotated[str | None, typer.Option(help="wait, or next: the next one at once.")] = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    per_day: Dollars = None,
    per_run: Dollars = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Of a new group: who is in its first level; repeatable.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be otherwise in the file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a group, or change what holds for all of it."""
    limits = {"rpm_limit": rpm, "tpm_limit": tpm, "concurrency_limit": concurrency}
    changes = {
        "description": description,
        "fallback_strategy": strategy,
        "fallback_groups": None if fallback is None else tuple(filter(None, fallback)),
        "when_full": when_full,
    }
    given = {**_given(changes), **_without_limit({**limits, "per_day_usd": per_day, "per_run_usd": per_run})}
    _do("set_group", name, rename, given, tuple(model or ()), dry_run, as_json)


@group_commands.command()
def level(
    name: Group,
    level: Annotated[str, typer.Argument(help="Of the group; one that is not there is added at the end.")],
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Who is in it from now on, in this order; repeatable.")
    ] = None,
    rename: Annotated[str | None, typer.Option(help="Its new name; whoever names it in the file follows.")] = None,
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds an answer may take; 0 as the gateway's.")
    ] = None,
    retries: Annotated[int | None, typer.Option(min=0, max=20, help="How often one model is asked again.")] = None,
    weight: Annotated[list[str] | None, typer.Option(help="MODEL=NUMBER, how often it is used; repeatable.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the level out.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be otherwise in the file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Add a level to a group, change or remove it: who is in it, and its limits."""
    limits = {"rpm_limit": rpm, "tpm_limit": tpm, "concurrency_limit": concurrency, "timeout": timeout}
    changes = {"models": None if model is None else tuple(model), "max_retries": retries, "name": rename}
    given = {**_given(changes), **_without_limit(limits)}
    _do("level", name, level, given, tuple(weight or ()), remove, dry_run, as_json)


@group_commands.command()
def delete(
    name: Group,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be otherwise in the file.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Take a group out of the file; refused while another one names it."""
    _do("delete", name, dry_run, as_json)


@group_commands.command()
def undo(as_json: JsonOption = False) -> None:
    """Take back the last change of a group, made here or on the page; done again, it is made again."""
    _do("undo", as_json)


def _given(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}


def _without_limit(limits: dict[str, Any]) -> dict[str, Any]:
    """Of what was given: 0 means that nothing is limited."""
    return {name: value or None for name, value in limits.items() if value is not None}
