"""Every command of the programs, also those whose words are read where their work is done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from multi_llm_comparator.cli import app, config_app
from multi_llm_comparator.cli.command_groups import GROUPS
from multi_llm_comparator.training.trainer import app as trainer


def commands_of(group: typer.Typer, name: str = "") -> Iterator[tuple[str, Any]]:
    """Words after the program's name, and the command that they name."""
    yield from _below(typer.main.get_command(group), name)


def _below(found: Any, name: str) -> Iterator[tuple[str, Any]]:
    below = getattr(found, "commands", None)
    if below is None:
        yield name, found
        return
    for word, one_of_them in below.items():
        words = f"{name} {word}".strip()
        if not name and word == "tune":
            yield from commands_of(trainer, word)
        elif not name and word in GROUPS:
            yield from commands_of(GROUPS[word].commands(), word)
        else:
            yield from _below(one_of_them, words)


def all_commands() -> dict[str, Any]:
    """By the whole of what is typed, the program's name first."""
    return {
        f"{program} {words}": command
        for program, group in (("llm-cooperation", app.app), ("llm-config", config_app.app))
        for words, command in commands_of(group)
    }
