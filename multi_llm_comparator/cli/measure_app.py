"""``llm-cooperation evaluate`` and ``promptset``: words and options; what they do is imported when it is typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.exits import run
from multi_llm_comparator.cli.options import (
    DEFAULT_CONFIG,
    AloneOption,
    ConfigOption,
    JsonOption,
    command_group,
)
from multi_llm_comparator.core.command_options import taking

SetName = Annotated[str, typer.Argument(help="Its id or name.")]

# As in cli.app: without rich, whose import alone would take as long as all else.
measuring = typer.Typer(add_completion=False, rich_markup_mode=None)
promptset = command_group("Prompt sets that are kept here: list, import, add, export, delete.")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options of ``evaluate``."""

    model: Annotated[list[str] | None, typer.Option(help="A model, group or plan's target; once for each.")] = None
    prompts: Annotated[str | None, typer.Option("--set", help="A .csv, .jsonl or .json file, or a set kept here.")] = (
        None
    )
    tasks: Annotated[
        str, typer.Option("--task", help="mmlu, ceval, gsm8k, bbh, or a file of questions: several with commas.")
    ] = ""
    data: Annotated[str | None, typer.Option(help="Folder with the tasks' data; the Hub if absent.")] = None
    subjects: Annotated[
        str, typer.Option(help="Only these subjects, with commas; of one task alone as mmlu/anatomy.")
    ] = ""
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each subject of a task, the first ones.")] = None
    shots: Annotated[
        int | None,
        typer.Option(
            min=0, max=64, help="Examples before each item; bbh's from the Hub are its first items, then not asked."
        ),
    ] = None
    shots_seed: Annotated[int, typer.Option(min=0, help="Of worked examples that are drawn, as GSM8K's are.")] = 1234
    chat: Annotated[bool, typer.Option(help="Put the tasks' prompts into the model's chat template.")] = False
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Ask each prompt so often, with seeds of their own.")] = 1
    temperature: Annotated[
        list[float] | None,
        typer.Option(min=0, max=2, help="Several times: each model at each; 0 if absent, or that of --parameters."),
    ] = None
    parameters: Annotated[
        list[str] | None,
        typer.Option(help="A named set of parameters, several times: each model with each; '' is without one."),
    ] = None
    system: Annotated[
        list[str] | None,
        typer.Option(help="A system prompt, several times: each model with each; '' is without one."),
    ] = None
    seed: Annotated[int, typer.Option(min=0, max=2**31, help="Of the first answer to each prompt.")] = 1
    max_tokens: Annotated[int | None, typer.Option(min=1, help="256 if absent, or those of --parameters.")] = None
    judge: Annotated[str | None, typer.Option(help="Who judges rows that are to be judged.")] = None
    judge_mode: Annotated[str, typer.Option(help="pairwise, rubric or reference; pairwise if absent.")] = ""
    rubric: Annotated[str, typer.Option(help="What makes an answer good, for a judge that goes by a rubric.")] = ""
    reference: Annotated[
        str | None, typer.Option(help="One of the models: how far are the others' predictions from its, on the set?")
    ] = None
    ray: Annotated[
        str | None, typer.Option(help="A Ray cluster that the models answer on: HOST:6379 or ray://HOST:10001.")
    ] = None
    actors: Annotated[int | None, typer.Option(min=1, max=64, help="With --ray; one a machine if absent.")] = None
    title: Annotated[str, typer.Option(help="What the run is called.")] = ""
    resume_run: Annotated[str | None, typer.Option("--resume", help="Go on with this run instead.")] = None
    rescore_run: Annotated[
        str | None,
        typer.Option("--rescore", help="Score this run's answers anew instead, by what --set expects now; ask nobody."),
    ] = None
    answered: Annotated[
        list[Path] | None,
        typer.Option(help="Compare what plan and baseline answered to a data set instead: their folders; ask nobody."),
    ] = None
    to: Annotated[Path | None, typer.Option("--output", "-o", help="Report: .html, .md, .csv or .json.")] = None
    config: ConfigOption = DEFAULT_CONFIG
    as_json: JsonOption = False
    alone: AloneOption = False


@measuring.command()
@taking(Wanted)
def evaluate_command(wanted: Wanted) -> None:
    """Ask many prompts of several models, score the answers, and say which model is better, and how surely."""
    from multi_llm_comparator.cli import measure

    run(measure.run_evaluate(wanted))


@promptset.command("list")
def list_sets(as_json: JsonOption = False) -> None:
    """Show the prompt sets that are kept here."""
    from multi_llm_comparator.cli import prompt_sets

    prompt_sets.list_sets(as_json)


@promptset.command("import")
def import_set(
    file: Annotated[Path, typer.Argument(help="A .csv, .jsonl or .json file.")],
    name: Annotated[str | None, typer.Option(help="What to call it; the file's name if absent.")] = None,
    replace: Annotated[
        str | None, typer.Option(help="In place of this set, by id or name: export, edit, import --replace.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Keep the prompts of a file as a set."""
    from multi_llm_comparator.cli import prompt_sets

    prompt_sets.import_set(file, name, replace, as_json)


@promptset.command("add")
def add_prompt(
    name: SetName,
    prompt: Annotated[str, typer.Argument(help="What is asked.")],
    compare: Annotated[
        str, typer.Option(help="none, exact, numeric, contains, regex, json_schema, choice or judged.")
    ] = "none",
    expected: Annotated[str, typer.Option(help="What a right answer is compared with.")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="Once for each.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Add a prompt to a set."""
    from multi_llm_comparator.cli import prompt_sets

    prompt_sets.add_prompt(name, prompt, compare, expected, tuple(tag or ()), as_json)


@promptset.command("export")
def export_set(
    name: SetName,
    to: Annotated[Path, typer.Argument(help="The file; its ending (.csv, .jsonl, .json) is the format.")],
    as_json: JsonOption = False,
) -> None:
    """Write a set to a file."""
    from multi_llm_comparator.cli import prompt_sets

    prompt_sets.export_set(name, to, as_json)


@promptset.command("delete")
def delete_set(name: SetName, as_json: JsonOption = False) -> None:
    """Delete a set; evaluations that asked it keep their copy."""
    from multi_llm_comparator.cli import prompt_sets

    prompt_sets.delete_set(name, as_json)
