"""``llm-cooperation data``, ``distill`` and ``routing``: words and options; the rest is imported when it is typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import do, do_stored
from multi_llm_comparator.cli.options import AloneOption, JsonOption, command_group

Source = Annotated[str, typer.Argument(help="A file, a folder, or hf:owner/name for a data set of the Hub.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")]

data_commands = command_group("Data to tune with: look at it, find what is wrong in it.")
distill_commands = command_group("Have a model write training data: start, show, review, write.")
routing_commands = command_group("Who answers where nobody is named: show, set, learn, forget.")


@data_commands.command()
def look(source: Source, as_json: JsonOption = False) -> None:
    """Say which form data has, and show its first rows."""
    do("learning_data", "look", source, as_json)


@data_commands.command()
def clean(
    source: Source,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for what is left; only counted if absent.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a PyTorch model: how long rows are for it.")] = None,
    max_tokens: Annotated[int, typer.Option(min=16, help="Rows longer than this are counted as cut.")] = 2048,
    contamination: Annotated[
        list[str] | None, typer.Option(help="An evaluation set that the data must not contain; repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find duplicates, damaged text, leftovers and the like, with examples; tune --clean leaves them out."""
    do("learning_data", "clean", source, out, model, max_tokens, tuple(contamination or ()), as_json)


@distill_commands.command("start")
def start_distilling(
    prompts: Annotated[
        Path, typer.Argument(help="Prompts: .txt with one a line, .json, .jsonl, .csv, .tsv, .parquet.")
    ],
    model: Annotated[str, typer.Option("--model", "-m", help="Who answers: a model, group or plan.")],
    system: Annotated[str, typer.Option(help="System prompt.")] = "",
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of each answer at most.")] = 512,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 is greedy.")] = 0.0,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Have prompts answered; Ctrl+C keeps what is written."""
    parameters = {"max_tokens": max_tokens, "temperature": temperature}
    do("distilling", "start", prompts, model, system, parameters, as_json=as_json, alone=alone)


@distill_commands.command("continue")
def continue_distilling(run_id: RunId, as_json: JsonOption = False, alone: AloneOption = False) -> None:
    """Have the rest answered of a run that was stopped."""
    do("distilling", "go_on", run_id, as_json=as_json, alone=alone)


@distill_commands.command("show")
def show_distilled(run_id: RunId, as_json: JsonOption = False) -> None:
    """List prompts and answers with their keys and what was thought of them."""
    do_stored("distilling", "show", run_id, as_json)


@distill_commands.command("review")
def review_distilled(
    run_id: RunId,
    key: Annotated[str, typer.Argument(help="Of an answer, as show lists it.")],
    verdict: Annotated[str, typer.Argument(help="kept, taken (unread), rejected, or open.")],
    text: Annotated[str | None, typer.Option(help="What is to stand there instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep or reject an answer, or put another text in its place."""
    do_stored("distilling", "review", run_id, key, verdict, text, as_json)


@distill_commands.command("write")
def write_distilled(
    run_id: RunId,
    file: Annotated[Path, typer.Argument(help="The .jsonl file to write: tune --data_path.")],
    take_unreviewed: Annotated[
        bool,
        typer.Option("--take-unreviewed/--only-reviewed", help="Use those too that nobody has decided on."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the answers that you decided to use as a file to tune with."""
    do_stored("distilling", "write", run_id, file, take_unreviewed, as_json)


@routing_commands.command("show")
def show_routing(as_json: JsonOption = False) -> None:
    """Show how much quality counts, and what was learnt of the models here."""
    do("routing", "show", as_json)


@routing_commands.command("set")
def set_routing(
    quality_priority: Annotated[float, typer.Argument(min=0, max=1, help="1 looks at quality alone, 0 at cost.")],
    as_json: JsonOption = False,
) -> None:
    """Say how much quality counts, for the API, the commands and the pages."""
    do("routing", "set_priority", quality_priority, as_json)


@routing_commands.command("learn")
def learn_routing(as_json: JsonOption = False) -> None:
    """Learn from the finished evaluations who answers what well."""
    do_stored("routing", "learn", as_json)


@routing_commands.command("forget")
def forget_routing(as_json: JsonOption = False) -> None:
    """Forget what was learnt; rules decide again."""
    do("routing", "forget", as_json)
