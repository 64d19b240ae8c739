"""How a line may go on, for a shell that asks: also in commands whose words are read where their work is done."""

from __future__ import annotations

import os

import typer

from multi_llm_comparator.cli.command_groups import GROUPS, forget

ASKED = "_LLM_COOPERATION_COMPLETE"
# The line up to there, as the shells tell it: bash, then zsh, fish and PowerShell.
_LINES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")


def know_all_words(app: typer.Typer) -> None:
    """Give ``app`` the words of the command that the line names, if it is one that only passes them on."""
    line = next((os.environ[name] for name in _LINES if name in os.environ), "")
    typed = next(iter(line.split()[1:2]), "")
    if typed == "tune":
        from multi_llm_comparator.training.trainer import app as trainer

        _take(app, typed, trainer)
    elif typed in GROUPS:
        _take(app, typed, GROUPS[typed].commands())


def _take(app: typer.Typer, name: str, commands: typer.Typer) -> None:
    """The words of ``commands`` under ``name``; one that is a single command is that command itself."""
    forget(app, name)
    if len(commands.registered_commands) > 1 or commands.registered_groups:
        app.add_typer(commands, name=name)
        return
    (only,) = commands.registered_commands
    assert only.callback is not None
    app.command(name)(only.callback)
