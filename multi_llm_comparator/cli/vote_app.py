"""``llm-cooperation vote``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do_stored, run
from multi_llm_comparator.cli.options import AloneOption, JsonOption, command_group

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A session's id.")]
Runs = Annotated[list[str] | None, typer.Argument(metavar="[RUN...]", help="Sessions; all of them if absent.")]
Tag = Annotated[str, typer.Option(help="Only votes on prompts with this tag.")]
NamesOption = Annotated[bool, typer.Option("--names/--no-names", help="Tell after each vote who wrote what.")]

vote_commands = command_group(
    "Blind votes. Keys: A or B the better one (1 to 4 of more), T tie, X all bad, S skip, Q stop for now."
)
_do = partial(do_stored, "votes_told")


@vote_commands.command()
def start(
    model: Annotated[
        list[str] | None, typer.Option("--model", "-m", help="Who answers: two or more models or groups; repeatable.")
    ] = None,
    prompts: Annotated[
        str | None, typer.Option("--set", help="A .csv, .jsonl or .json file, or a prompt set kept here.")
    ] = None,
    prompt: Annotated[
        list[str] | None, typer.Option("--prompt", "-q", help="A prompt of one's own instead; repeatable.")
    ] = None,
    image: Annotated[
        list[Path] | None, typer.Option("--image", help="Each own prompt is asked about each picture; repeatable.")
    ] = None,
    evaluation: Annotated[
        str | None, typer.Option(help="Vote on the answers of this evaluation instead; nobody is asked.")
    ] = None,
    shown: Annotated[int, typer.Option(min=2, max=4, help="Answers side by side.")] = 2,
    temperature: Annotated[
        list[float] | None, typer.Option(min=0, max=2, help="Several times: each model at each; 0.7 if absent.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of each answer at most.")] = 200,
    in_order: Annotated[bool, typer.Option("--in-order", help="Prompts as they stand, not shuffled.")] = False,
    title: Annotated[str, typer.Option(help="What the session is called.")] = "",
    names: NamesOption = True,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Begin a session and vote, one key a vote; what was voted on is kept whenever it is stopped."""
    from multi_llm_comparator.cli import voting

    asked = voting.Asked(
        models=tuple(model or ()),
        prompts=prompts,
        own=tuple(prompt or ()),
        images=tuple(image or ()),
        evaluation=evaluation,
        shown=shown,
        temperatures=tuple(dict.fromkeys(temperature or [0.7])),
        max_tokens=max_tokens,
        is_shuffled=not in_order,
        title=title,
    )
    run(voting.start(asked, voting.Manner(names, as_json, alone)))


@vote_commands.command("continue")
def go_on(run_id: RunId, names: NamesOption = True, as_json: JsonOption = False, alone: AloneOption = False) -> None:
    """Go on voting in a session that was stopped."""
    from multi_llm_comparator.cli import voting

    run(voting.go_on(run_id, voting.Manner(names, as_json, alone)))


@vote_commands.command()
def ranking(
    runs: Runs = None,
    tag: Tag = "",
    style: Annotated[
        bool, typer.Option("--without-style", help="Take out what length and markup of an answer alone explain.")
    ] = False,
    language: Annotated[str, typer.Option(help="Of the words: en or zh.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """Show who is better by the votes, with 95% intervals, and what is undecided."""
    _do("ranking", runs or [], tag, style, language, as_json)


@vote_commands.command()
def pairs(
    file: Annotated[Path, typer.Argument(help="The .jsonl file to write.")],
    runs: Runs = None,
    as_json: JsonOption = False,
) -> None:
    """Write the votes as pairs of a better and a worse answer, to tune with: tune --method dpo."""
    _do("pairs", file, runs or [], as_json)


@vote_commands.command()
def scores(
    evaluation: Annotated[str, typer.Argument(help="The id of an evaluation that was voted on.")],
    as_json: JsonOption = False,
) -> None:
    """Take the votes on an evaluation's answers as its scores by people, beside a judge's."""
    _do("scores", evaluation, as_json)
