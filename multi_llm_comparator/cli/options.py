"""Options that several commands have: the same words for the same thing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from multi_llm_comparator import __version__

DEFAULT_CONFIG = Path("config.yaml")

AloneOption = Annotated[bool, typer.Option("--alone", help="Load models here even if a workbench is running.")]
ConfigOption = Annotated[Path, typer.Option("--config", "-c", help="Configuration; see config.example.yaml.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.")]


def command_group(help: str) -> typer.Typer:
    """For commands of one word. Without rich, whose import alone would take as long as all else."""
    return typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=help)


def version_of(program: str) -> Any:
    """The option that says which version a program is of, and nothing else."""

    def tell(is_asked: bool) -> None:
        if is_asked:
            typer.echo(f"{program} {__version__}")
            raise typer.Exit

    return typer.Option("--version", help="Say which version this is.", is_eager=True, callback=tell)
