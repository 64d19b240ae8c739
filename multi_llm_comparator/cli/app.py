"""``llm-cooperation``: models and groups asked, and questions answered by several together, from the command line.

Here stand the commands' words and options alone. What a command does is imported when it is typed, so that ``--help``
answers at once. For exit codes see :mod:`cli.exits`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from multi_llm_comparator.cli.command_groups import PASSED_ON, add_groups, pass_on
from multi_llm_comparator.cli.completing import ASKED, know_all_words
from multi_llm_comparator.cli.exits import do, do_stored, end_of, run
from multi_llm_comparator.cli.options import DEFAULT_CONFIG, AloneOption, ConfigOption, JsonOption, version_of

# Without rich, whose import alone would take as long as all else.
app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)

OutputOption = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder of a data-set run; one begun earlier is resumed.")
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="A model, endpoint, group, or plan:NAME; one that is there if absent."),
]


@app.callback()
def common(version: Annotated[bool, version_of("llm-cooperation")] = False) -> None:
    """Ask models and groups of this machine, and answer questions with several of them together.

    A workbench or llm-server that runs with the same home is asked over its API, so that no model is loaded twice.
    """


@app.command()
def query(
    question: Annotated[
        str | None, typer.Option("--query", "-q", help="The question; read from a pipe if absent.")
    ] = None,
    model: ModelOption = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="auto: whoever suits the question best; direct: --model and nobody else; or a mode of cooperate, "
            "such as voting."
        ),
    ] = "auto",
    quality_priority: Annotated[
        float | None, typer.Option(min=0, max=1, help="Of auto: 1 looks at quality alone, 0 at cost and latency alone.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of the answer at most.")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 is greedy.")] = 0.7,
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", help="A picture before the question, for models that see; repeatable."),
    ] = None,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Ask one question; the answer is printed as it is written."""
    from multi_llm_comparator.cli import talking

    wanted = talking.Wanted(system, max_tokens, temperature, quality_priority, tuple(image or ()))
    run(talking.query(question, model, strategy, wanted, as_json, alone))


@app.command()
def chat(
    model: ModelOption = None,
    system: Annotated[str | None, typer.Option(help="System prompt.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of each answer at most.")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 is greedy.")] = 0.7,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Talk with one model; an empty line or Ctrl+D ends it."""
    from multi_llm_comparator.cli import talking

    run(talking.chat(model, talking.Wanted(system, max_tokens, temperature), as_json, alone))


@app.command()
def service(
    service: Annotated[str, typer.Argument(help="document, data or decision.")],
    content: Annotated[str | None, typer.Option("--content", "-q", help="The text itself.")] = None,
    file: Annotated[
        Path | None, typer.Option("--file", help="Text, Markdown, HTML, PDF, DOCX, CSV or XLSX; piped in if absent.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind",
            help="comprehensive, summary, key_points, risks, questions; trends, anomalies, comparison; comparison, "
            "recommendation, risk.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Who is asked; 'none' computes only.")] = None,
    question: Annotated[str | None, typer.Option(help="What a document is asked.")] = None,
    language: Annotated[str | None, typer.Option(help="en or zh; the document's own if absent.")] = None,
    weight: Annotated[list[str] | None, typer.Option(help="CRITERION=NUMBER of a decision; once for each.")] = None,
    to: Annotated[Path | None, typer.Option("--output", "-o", help="A .md, .docx, .html or .json file.")] = None,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Analyse a document, see what data shows, or support a decision; every claim and number is checked."""
    from multi_llm_comparator.cli import services

    wanted = services.Wanted(service, content, file, kind, model, question, language, tuple(weight or ()), to)
    run(services.service(wanted, as_json, alone))


@app.command()
def cooperate(
    question: Annotated[
        str | None, typer.Option("--query", "-q", help="The question; read from a pipe if absent.")
    ] = None,
    mode: Annotated[
        str, typer.Option(help="sequential, parallel, voting, pipeline, ensemble, cascade or council.")
    ] = "parallel",
    models: Annotated[
        str, typer.Option(help="Who takes part, with commas between; those of cooperate:MODE if absent.")
    ] = "",
    integration: Annotated[
        str, typer.Option(help="How one answer is made: ensemble, majority, best, concatenation, last or first.")
    ] = "",
    integrator: Annotated[str, typer.Option(help="Who combines answers; the weightiest member if absent.")] = "",
    rounds: Annotated[int, typer.Option(min=1, max=5, help="Rounds of votes; layers of an ensemble.")] = 1,
    samples: Annotated[int, typer.Option(min=1, max=16, help="Answers of each member of an ensemble.")] = 1,
    deadline: Annotated[float | None, typer.Option(min=0.001, help="Seconds that all of it may take.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Tokens of each answer at most.")] = None,
    temperature: Annotated[float, typer.Option(min=0, max=2, help="0 is greedy.")] = 0.7,
    save: Annotated[
        str | None, typer.Option(help="Ask nobody: keep these models and options as cooperate:NAME.")
    ] = None,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Have several models answer one question together."""
    from multi_llm_comparator.cli import cooperating, talking

    options = {
        "integration_strategy": integration,
        "integrator": integrator,
        "voting_rounds": rounds,
        "samples": samples,
        **({} if deadline is None else {"deadline_s": deadline}),
    }
    wanted = talking.Wanted(None, max_tokens, temperature)
    if save is not None:
        run(cooperating.save(save, mode, models, options, wanted, as_json))
    run(cooperating.cooperate(question, mode, models, options, wanted, as_json, alone))


@app.command()
def models(
    format: Annotated[str, typer.Option("--format", "-f", help="table, names or json.")] = "table",
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """List everything that can be asked."""
    do("looking", "models", "json" if as_json else format, alone)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def ui(context: typer.Context) -> None:
    """Open the pages in a browser, with the API on the same port."""
    import os

    from multi_llm_comparator.core.shipped import ROOT

    # In place of this process: what the terminal or a service manager sends reaches the app itself.
    os.execv(sys.executable, [sys.executable, str(ROOT / "app.py"), *context.args])


@app.command()
def scan(as_json: JsonOption = False) -> None:
    """Look for models on this machine, and say what cannot be loaded and why."""
    do("looking", "scan", as_json)


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Say whether a workbench is running, and how it does."""
    do("looking", "status", as_json)


@app.command()
def test(
    model: ModelOption = None,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Ask a model one word and say how long it took; without --model every endpoint and group in turn."""
    do("looking", "test", model, as_json, alone)


@app.command()
def plan(
    config: ConfigOption = DEFAULT_CONFIG,
    query: Annotated[str | None, typer.Option(help="Answer this question instead of the configured ones.")] = None,
    folder: OutputOption = None,
    save: Annotated[
        str | None, typer.Option(help="Ask nobody: keep the configuration's models and options as plan:NAME.")
    ] = None,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Answer a question, measure a data set, or build one for tuning a planner, as the configuration says."""
    from multi_llm_comparator.cli import planning

    if save is not None:
        run(planning.run_save(config, save, as_json=as_json))
    run(planning.run_plan(config, query, folder, planning.Manner(as_json, alone)))


@app.command()
def resume(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, or the folder of a data-set run.")],
    step: Annotated[
        str | None, typer.Option(help="Of a plan that is over: solve this step, and all that need it, once more.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Go on with what was stopped; nothing finished is repeated."""
    from multi_llm_comparator.cli import planning

    run(planning.run_resume(run_id, step, config, planning.Manner(as_json, alone)))


@app.command()
def baseline(
    query: Annotated[str | None, typer.Option(help="Question to ask.")] = None,
    dataset_path: Annotated[Path | None, typer.Option("--dataset", help="Data set to ask, .json or .jsonl.")] = None,
    model: Annotated[str | None, typer.Option(help="Model to ask; the configured large one if absent.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Questions of the data set at most.")] = None,
    timeout: Annotated[float | None, typer.Option(min=0.001, help="Seconds an answer may take.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    folder: OutputOption = None,
    as_json: JsonOption = False,
    alone: AloneOption = False,
) -> None:
    """Ask a single model directly: what cooperation is compared with."""
    from multi_llm_comparator.cli import planning

    asked = planning.Asked(model, query, dataset_path, limit, timeout)
    run(planning.run_baseline(config, asked, folder, planning.Manner(as_json, alone)))


@app.command()
def export(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id.")],
    format: Annotated[
        str,
        typer.Option("--format", "-f", help="html, json, csv or md; of a plan also svg or xml; of a service docx."),
    ] = "html",
    to: Annotated[
        str | None,
        typer.Option(
            "--output", "-o", help="File or folder to write; - prints it. A file here, named after the run, if absent."
        ),
    ] = None,
    language: Annotated[str, typer.Option(help="Of the words in html, md and svg: en or zh.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """Write a stored run of any kind to a file."""
    do_stored("export", "export", run_id, format, language, to, as_json)


@app.command()
def convert(
    source: Annotated[str, typer.Argument(help="A checkpoint folder, a GGUF file, or the name of a model found here.")],
    out: Annotated[
        Path | None, typer.Argument(help="Folder or .gguf file to make; among the models of this machine if absent.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="pytorch, or a type such as F16, Q8_0, Q4_K_M; of an adapter also itself as GGUF: adapter. "
            "By OUT's name if absent.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what a conversion made before.")] = False,
    check: Annotated[
        bool, typer.Option(help="Load both and compare their predictions, for GGUF files made from PyTorch models.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Convert a model: PyTorch to GGUF and back, GGUF to another quantization, an adapter merged into its base."""
    from multi_llm_comparator.cli.convert import convert_model

    convert_model(source, out, target, overwrite=overwrite, check=check, as_json=as_json)


@app.command()
def analyze(
    results: Annotated[Path, typer.Argument(help="A dataset_results.json.")],
    threshold: Annotated[
        int | None, typer.Argument(min=1, help="Share the steps out as this threshold would have.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show how steps were shared out between the small and the large model, by difficulty."""
    do("planning", "run_analyze", results, threshold, as_json=as_json)


@app.command(context_settings=PASSED_ON, add_help_option=False)
def tune(context: typer.Context) -> None:
    """Tune a model by LoRA on chats, and write the tuned model as a checkpoint of its own."""
    from multi_llm_comparator.training.trainer import AS_JOB
    from multi_llm_comparator.training.trainer import app as trainer

    if AS_JOB not in context.args:
        pass_on(trainer, context)
    from multi_llm_comparator.cli import planning
    from multi_llm_comparator.cli.jobs import start_tuning

    asked = trainer(context.args, prog_name=context.command_path, standalone_mode=False)
    if not isinstance(asked, int):  # which it is where only help was asked for
        run(planning.without_models(lambda work: start_tuning(work, asked)))


add_groups(app)


def main() -> None:
    """Entry point: errors become one message and an exit code, never a traceback."""
    if ASKED in os.environ:
        know_all_words(app)
    sys.exit(end_of(app, "llm-cooperation"))


if __name__ == "__main__":
    main()
