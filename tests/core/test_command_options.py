from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from typer.testing import CliRunner

from multi_llm_comparator.core.command_options import taking


@dataclass(frozen=True, kw_only=True)
class Wanted:
    name: Annotated[str, typer.Option("--called", help="What it is called.")]
    times: Annotated[int, typer.Option(min=1)] = 2


def test_the_fields_of_a_dataclass_are_the_options_of_a_command() -> None:
    app = typer.Typer(rich_markup_mode=None)

    @app.command()
    @taking(Wanted)
    def say(wanted: Wanted) -> None:
        """Say a name."""
        typer.echo(" ".join([wanted.name] * wanted.times))

    runner = CliRunner()
    assert runner.invoke(app, ["--called", "a"]).output == "a a\n"
    assert runner.invoke(app, ["--called", "a", "--times", "3"]).output == "a a a\n"
    assert runner.invoke(app, []).exit_code == runner.invoke(app, ["--called", "a", "--times", "0"]).exit_code == 2
    said = runner.invoke(app, ["--help"]).output
    assert "Say a name." in said and "What it is called." in said
