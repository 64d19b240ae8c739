"""Commands with many words of their own: these are read where the work is done, when the first of them is typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

import typer
from typer.models import CommandInfo

# What follows such a command is none of its own.
PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@dataclass(frozen=True)
class CommandGroup:
    """A word of the command line and where what follows it is read. ``help`` is the line beside it in a list."""

    module: str
    attribute: str
    help: str

    def commands(self) -> typer.Typer:
        """Imports no more than words and options."""
        found: typer.Typer = getattr(import_module(f"multi_llm_comparator.{self.module}"), self.attribute)
        return found


GROUPS = {
    "compare": CommandGroup(
        "cli.compare_app",
        "compare_commands",
        "Ask several models the same side by side; the comparison is kept as a run, as on the page.",
    ),
    "evaluate": CommandGroup(
        "cli.measure_app",
        "measuring",
        "Ask many prompts of several models, score the answers, and say which model is better, and how surely.",
    ),
    "answer": CommandGroup(
        "cli.answer_app", "answer_commands", "One answer of a comparison: again, go-on, rewrite, mark."
    ),
    "vote": CommandGroup(
        "cli.vote_app", "vote_commands", "Vote blind on answers of several models; what the votes say; pairs to tune."
    ),
    "model": CommandGroup(
        "cli.model_app",
        "model_commands",
        "One model: show, load, unload, pin, note, rename, delete; what is in memory.",
    ),
    "hub": CommandGroup("cli.hub_app", "hub_commands", "Models of the Hugging Face Hub: search, list, fetch."),
    "promptset": CommandGroup(
        "cli.measure_app", "promptset", "Prompt sets that are kept here: list, import, add, export, delete."
    ),
    "prompt": CommandGroup("cli.library_app", "prompt_commands", "The prompt library: list, show, save, delete."),
    "parameters": CommandGroup(
        "cli.library_app", "parameter_commands", "Named sets of parameters: list, save, delete, export, import."
    ),
    "data": CommandGroup("cli.learn_app", "data_commands", "Data to tune with: look at it, find what is wrong in it."),
    "distill": CommandGroup(
        "cli.learn_app", "distill_commands", "Have a model write training data: start, show, review, write."
    ),
    "routing": CommandGroup(
        "cli.learn_app", "routing_commands", "Who answers where nobody is named: show, set, learn, forget."
    ),
    "jobs": CommandGroup(
        "cli.jobs_app", "jobs_commands", "Tunings and other long work: list, show, stop, resume, move; OpenCompass."
    ),
    "runs": CommandGroup(
        "cli.runs_app", "run_commands", "Stored runs of every kind: list, show, stop, mark, archive, delete."
    ),
    "share": CommandGroup(
        "cli.share_app", "share_commands", "Runs for others: links that show one run, bundles that are run again."
    ),
}


def add_groups(app: typer.Typer) -> None:
    """Give ``app`` each of them as a command that passes the rest of the line on."""
    for name, group in GROUPS.items():
        app.command(name, context_settings=PASSED_ON, add_help_option=False, help=group.help)(_passing_on(group))


def _passing_on(group: CommandGroup) -> Callable[[typer.Context], None]:
    def command(context: typer.Context) -> None:
        pass_on(group.commands(), context)

    return command


def pass_on(commands: typer.Typer, context: typer.Context) -> None:
    """Have ``commands`` read the rest of the line."""
    code = commands(context.args, prog_name=context.command_path, standalone_mode=False)
    raise typer.Exit(code if isinstance(code, int) else 0)


def forget(app: typer.Typer, name: str) -> None:
    """Take a command out of ``app``."""
    app.registered_commands = [command for command in app.registered_commands if _name_of(command) != name]


def _name_of(command: CommandInfo) -> str | None:
    return command.name or (command.callback.__name__ if command.callback else None)
