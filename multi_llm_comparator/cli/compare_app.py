"""``llm-cooperation compare``: its words and options; what it does is imported when it is typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import run
from multi_llm_comparator.cli.options import AloneOption, JsonOption
from multi_llm_comparator.core.command_options import taking

# As in cli.app: without rich, whose import alone would take as long as all else.
compare_commands = typer.Typer(add_completion=False, rich_markup_mode=None)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options of ``compare``."""

    prompt: Annotated[
        list[str] | None,
        typer.Option("--query", "-q", help="A prompt; repeatable: turns of one conversation. From a pipe if absent."),
    ] = None
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", help="One to four models, groups or plans; one may come twice; repeatable."),
    ] = None
    parameters: Annotated[
        list[str] | None,
        typer.Option(help="A named set of parameters: one for all, or one for each model in the order of --model."),
    ] = None
    temperature: Annotated[
        float | None, typer.Option(min=0, max=2, help="0 is greedy; as each model's makers recommend if absent.")
    ] = None
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of each answer at most.")] = None
    seed: Annotated[int | None, typer.Option(min=0, max=2**32 - 1, help="The same for all; drawn if absent.")] = None
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None
    image: Annotated[
        list[Path] | None, typer.Option("--image", help="A picture before the first prompt; repeatable.")
    ] = None
    file: Annotated[
        list[Path] | None,
        typer.Option("--file", help="A document behind the first prompt: text, PDF, DOCX, ...; repeatable."),
    ] = None
    regex: Annotated[str | None, typer.Option(help="What each answer matches as a whole.")] = None
    schema: Annotated[Path | None, typer.Option(help="A file with a JSON schema that each answer fits.")] = None
    repeats: Annotated[int, typer.Option(min=1, help="Answers of each model, with other seeds.")] = 1
    in_turn: Annotated[bool, typer.Option("--in-turn", help="One model after another, each with all cores.")] = False
    title: Annotated[str, typer.Option(help="What the run is called.")] = ""
    go_on: Annotated[
        str | None, typer.Option("--continue", help="Ask further in this comparison, with its models.")
    ] = None
    at_turn: Annotated[
        int | None,
        typer.Option(min=1, help="With --continue: leave out this prompt and what followed, in a run of its own."),
    ] = None
    again: Annotated[str | None, typer.Option("--again", help="Make this comparison again instead.")] = None
    new_seeds: Annotated[bool, typer.Option("--new-seeds", help="With --again: draw other seeds.")] = False
    as_json: JsonOption = False
    alone: AloneOption = False

    @property
    def is_old(self) -> bool:
        """Whether a comparison is continued or made again, and so has its models and parameters already."""
        return self.go_on is not None or self.again is not None


@compare_commands.command()
@taking(Asked)
def compare_command(asked: Asked) -> None:
    """Ask several models the same side by side; the comparison is kept as a run, as on the page."""
    from multi_llm_comparator.cli import comparing

    run(comparing.compare(asked))
