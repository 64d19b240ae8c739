"""The command that measures one model: ``python -m multi_llm_comparator.evaluation.runner --model_path DIR``.

Exit codes: 0 done, 1 it failed or some items could not be asked, 2 wrong use, 130 stopped by Ctrl+C.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from multi_llm_comparator.core.command_end import FAILED, exit_code
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import DocumentError, ModelNotFoundError, MultiLLMError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.json_text import json_text
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.plain_text import PlainConsole
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.evaluation.tasks.answering import answer_items
from multi_llm_comparator.evaluation.tasks.base import Task, TaskOptions
from multi_llm_comparator.evaluation.tasks.catalogue import load_tasks
from multi_llm_comparator.evaluation.tasks.results import TaskResult
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.mlflow_feed import MAX_DATA_BYTES, ToldRun, feed_for
from multi_llm_comparator.services.scan.single import model_at

N_CTX = 2048
messages = PlainConsole(stderr=True, markup=False, highlight=False)
# A file or a pipe has no width of its own, and names of tasks are long.
output = PlainConsole(markup=False, highlight=False, width=None if sys.stdout.isatty() else 140)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def evaluate(
    model_path: Annotated[Path, typer.Option("--model_path", help="Folder of a PyTorch model, or a GGUF file.")],
    data: Annotated[
        str, typer.Option(help="Folder with the data sets as their authors publish them, or 'hub'.")
    ] = "data",
    tasks: Annotated[
        str, typer.Option(help="mmlu, ceval, gsm8k, bbh, or a file of your own: several with commas.")
    ] = "mmlu,ceval",
    subjects: Annotated[str, typer.Option(help="Only these subjects, with commas.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Items of each subject, the first ones.")] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=0, max=64, help="Worked examples; usually 5. bbh's from the Hub are its first questions."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of worked examples that are drawn, as GSM8K's are.")] = 1234,
    chat: Annotated[bool, typer.Option(help="Put prompts into the model's chat template.")] = False,
    n_ctx: Annotated[int, typer.Option("--n_ctx", min=64, help="Longer prompts lose their beginning.")] = N_CTX,
    output_file: Annotated[Path | None, typer.Option("--output", help="Write all items there as JSON.")] = None,
) -> None:
    """Measure a model on published data sets, and print how many of each subject it gets right."""
    chosen = tuple(name.strip() for name in subjects.split(",") if name.strip())
    options = TaskOptions(shots=shots, limit=limit, chat=chat, subjects=chosen, seed=seed)
    names = [name.strip() for name in tasks.split(",") if name.strip()]
    loaded = [task for name in names for task in load_tasks(name, data, options)]
    model = model_at(model_path)
    results = asyncio.run(measure(model, loaded, ModelConfig(n_ctx=_fitting(model, n_ctx))))
    _print(model, results)
    document = {"model": str(model_path), "options": asdict(options), "tasks": [one.document() for one in results]}
    if problem := asyncio.run(_told(model, results, document)):
        messages.print(problem, style="red")
    if output_file is not None:
        write_atomically(output_file, json_text(document))
        messages.print(f"written: {output_file}")
    if any(result.failed for result in results):
        messages.print("some items could not be asked: the table counts them, --output keeps the reasons", style="red")
        raise typer.Exit(FAILED)


async def measure(model: ModelInfo, tasks: Sequence[Task], config: ModelConfig) -> list[TaskResult]:
    """Ask one model all tasks, showing how far it is.

    Raises:
        MultiLLMError: the model cannot be loaded.
    """
    engine = InferenceEngine()
    engine.know(model)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    results = []
    try:
        await engine.load(model.id, config)
        with Progress(*columns, TimeRemainingColumn(), console=messages, transient=True) as bar:
            shown_task = bar.add_task("", total=sum(len(task.items) for task in tasks))
            for task in tasks:
                bar.update(shown_task, description=task.name)
                result = TaskResult(task)
                answers = answer_items(task.items, model.id, config, text=engine, scorer=engine)
                async with aclosing(answers) as stream:
                    async for answered in stream:
                        result.add(answered)
                        bar.advance(shown_task)
                results.append(result)
    finally:
        await engine.aclose()
    return results


async def _told(model: ModelInfo, results: Sequence[TaskResult], document: dict[str, Any]) -> str | None:
    """Tell MLflow, where the settings name one; what went wrong."""
    feed = feed_for(get_settings())
    if feed is None:
        return None
    text = json_text(document)
    feed.tell(
        ToldRun(
            run_id=uuid.uuid4().hex[:12],
            experiment="evaluation",
            name=f"{model.name}: {', '.join(dict.fromkeys(one.task.group for one in results))}",
            state="done",
            models=(model.name,),
            params={name: str(value) for name, value in document["options"].items()},
            figures={name: value for one in results for name, value in one.figures().items()},
            data=json.loads(text) if len(text) <= MAX_DATA_BYTES else None,
        )
    )
    await feed.finish()
    return feed.problem


def _fitting(model: ModelInfo, n_ctx: int) -> int:
    trained: Any = model.config.get("context_length")
    return min(n_ctx, trained) if isinstance(trained, int) and trained > 0 else n_ctx


def _print(model: ModelInfo, results: Sequence[TaskResult]) -> None:
    table = Table(title=model.name, box=SIMPLE_HEAD)
    for heading in ("task", "version", "right", "of", "share", "95%", "ties", "how", "failed"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("task", "how") else "right")
    groups: dict[str, list[TaskResult]] = {}
    for result in results:
        groups.setdefault(result.task.group, []).append(result)
        table.add_row(*result.cells())
    for group, members in groups.items():
        if len(members) > 1:
            table.add_section()
            table.add_row(*TaskResult.joined_cells(group, members))
    output.print(table)


def main() -> None:
    """Entry point: errors become one message and an exit code."""

    def is_wrong_use(exc: MultiLLMError) -> bool:
        return isinstance(exc, DocumentError | ModelNotFoundError)

    sys.exit(
        exit_code(lambda: app(standalone_mode=False), lambda said: messages.print(said, style="red"), is_wrong_use)
    )


if __name__ == "__main__":
    main()
