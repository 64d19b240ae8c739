"""How a line may go on, for a shell that asks: also in commands whose words are read where their work is done."""

from __future__ import annotations

import os

import typer

ASKED = "_LLM_COOPERATION_COMPLETE"
# The line up to there, as the shells tell it: bash, then zsh, fish and PowerShell.
_LINES = ("COMP_WORDS", "_TYPER_COMPLETE_ARGS")


def know_all_words(app: typer.Typer) -> None:
    """Give ``app`` the words of the command that the line names, if it is one that only passes them on."""
    line = next((os.environ[name] for name in _LINES if name in os.environ), "")
    typed = line.split()[1:2]
    if typed == ["jobs"]:
        from multi_llm_comparator.cli.jobs_app import jobs_commands

        _forget(app, "jobs")
        app.add_typer(jobs_commands, name="jobs")
    elif typed == ["runs"]:
        from multi_llm_comparator.cli.runs_app import run_commands

        _forget(app, "runs")
        app.add_typer(run_commands, name="runs")
    elif typed == ["promptset"]:
        from multi_llm_comparator.cli.measure_app import promptset

        _forget(app, "promptset")
        app.add_typer(promptset, name="promptset")
    elif typed == ["evaluate"]:
        from multi_llm_comparator.cli.measure_app import evaluate_command

        _forget(app, "evaluate")
        app.command("evaluate")(evaluate_command)
    elif typed == ["tune"]:
        from multi_llm_comparator.training.trainer import app as trainer

        _forget(app, "tune")
        (training,) = (command.callback for command in trainer.registered_commands)
        assert training is not None
        app.command("tune")(training)


def _forget(app: typer.Typer, name: str) -> None:
    app.registered_commands = [
        command for command in app.registered_commands if command.callback is None or command.callback.__name__ != name
    ]
