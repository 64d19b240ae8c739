"""``llm-cooperation answer``: its words and options; what they do is imported when it is typed."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do, do_stored
from multi_llm_comparator.cli.options import AloneOption, JsonOption, command_group

RunId = Annotated[str, typer.Argument(metavar="RUN", help="A comparison's id.")]
Pane = Annotated[int, typer.Argument(min=1, help="Whose answer, counted from the left.")]

answer_commands = command_group("One answer of a comparison: again, go-on, rewrite, mark.")
_do = partial(do, "one_answer")


@answer_commands.command()
def again(
    run_id: RunId,
    pane: Pane,
    new_seed: Annotated[bool, typer.Option("--new-seed", help="Draw a seed even if the pane has one.")] = False,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Have the last prompt answered once more, beside the attempts that are there."""
    _do("again", run_id, pane, new_seed, as_json=as_json, alone=alone)


@answer_commands.command("go-on")
def go_on(run_id: RunId, pane: Pane, as_json: JsonOption = False, alone: AloneOption = False) -> None:
    """Have an answer continued that reached its limit, was stopped or failed."""
    _do("go_on", run_id, pane, as_json=as_json, alone=alone)


@answer_commands.command()
def rewrite(
    run_id: RunId,
    pane: Pane,
    text: Annotated[str, typer.Option(help="The answer as it is to be, or how it is to begin.")],
    go_on: Annotated[bool, typer.Option("--go-on", help="The model writes on from there.")] = False,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Put another text in the place of the last answer, as an attempt of its own."""
    _do("rewrite", run_id, pane, text, go_on, as_json=as_json, alone=alone)


@answer_commands.command()
def mark(
    run_id: RunId,
    pane: Pane,
    turn: Annotated[int | None, typer.Option(min=1, help="To which prompt; the last one if absent.")] = None,
    note: Annotated[str | None, typer.Option(help="Its note; '' takes it away.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Its tags from now on; once for each.")] = None,
    no_tags: Annotated[bool, typer.Option("--no-tags", help="Take all tags away.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Give an answer tags and a note; without options show them."""
    do_stored("one_answer", "mark", run_id, pane, turn, note, [] if no_tags else tag, as_json)
