"""What the commands about plans do: plan, resume, baseline, export, analyze."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from multi_llm_comparator.cli import dataset, resuming, single
from multi_llm_comparator.cli.consoles import output, print_json, say
from multi_llm_comparator.cli.options import DEFAULT_CONFIG
from multi_llm_comparator.cli.running_models import RunningModels, models_elsewhere
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.evaluation.report_dataset import split_table
from multi_llm_comparator.evaluation.task_split import read_results, split_by_difficulty
from multi_llm_comparator.headless import finder, local_names, opened, scanned_models
from multi_llm_comparator.plans.config import CooperationConfig, DatasetSection, load_config, parse_config
from multi_llm_comparator.plans.options import KIND as PLAN
from multi_llm_comparator.plans.plan import HARDEST
from multi_llm_comparator.plans.roles import Reach, cast_one, cast_roles, reach_without
from multi_llm_comparator.plans.saved import PREFIX, SavedPlans
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.wiring import Services


@dataclass(frozen=True)
class Manner:
    """How a command works: one JSON value as its result, and models of its own even if a workbench is running."""

    as_json: bool = False
    alone: bool = False


@dataclass(frozen=True)
class Asked:
    """Who is asked what by ``baseline``."""

    model: str | None = None
    query: str | None = None
    dataset: Path | None = None
    limit: int | None = None
    timeout_s: float | None = None


async def run_plan(path: Path, query: str | None, folder: Path | None, manner: Manner) -> bool:
    """Answer a question or a data set, as the configuration says."""
    config = load_config(path)
    return await plan(config if query is None else with_query(config, query), folder, manner)


async def run_save(path: Path, name: str, *, as_json: bool) -> None:
    """Keep what a configuration says of models and options as ``plan:NAME``.

    Raises:
        ConfigurationError: the configuration, or the name, cannot be.
    """
    config, models = load_config(path), scanned_models()
    written = SavedPlans().save(name, cast_roles(config, finder(models), local_names(models)).options)
    say(f"{PREFIX}{name} can be asked; it is in {written}", as_json, {"name": f"{PREFIX}{name}", "file": str(written)})


async def run_resume(run: str, step: str | None, path: Path, manner: Manner) -> bool:
    """Go on with a run, or with the folder of a data-set run; or solve a step of a plan once more.

    Raises:
        ConfigurationError: a step of what is no plan.
    """
    if not dataset.is_dataset_folder(run):
        async with unasked() as work:
            kind = await resuming.kind_of(work, run)
        if kind != PLAN and step is not None:
            raise ConfigurationError(f"run {run!r} is a {kind}, and --step is for plans; leave it out")
        if kind != PLAN:
            resuming.refuse_kind(kind, run)
            return await resuming.resume(run, as_json=manner.as_json, alone=manner.alone)
        config = load_config(path) if path.exists() or path != DEFAULT_CONFIG else None
        return await resume(config, run, step, manner)
    folder = Path(run)
    mode, stored, setup = dataset.stored_config(folder)
    if mode == "baseline":
        asked = Asked(model=setup.get("model"), timeout_s=setup.get("timeout_s"))
        return await baseline(stored, asked, folder, manner)
    return await plan(stored, folder, manner)


async def run_baseline(path: Path, asked: Asked, folder: Path | None, manner: Manner) -> bool:
    """Ask one model the question, or those of a data set."""
    read = config_or_model(path, asked.model)
    if asked.dataset is not None:
        section = DatasetSection(enabled=True, path=str(asked.dataset), limit=asked.limit)
        read = read.model_copy(update={"dataset": section})
    elif asked.query is not None:
        read = with_query(read, asked.query)
    elif asked.limit is not None:
        read = read.model_copy(update={"dataset": read.dataset.model_copy(update={"limit": asked.limit})})
    return await baseline(read, asked, folder, manner)


async def run_analyze(results: Path, threshold: int | None, *, as_json: bool) -> None:
    """Print how steps were shared out."""
    if threshold is not None and not 1 <= threshold <= HARDEST + 1:
        raise ConfigurationError(f"the threshold is {threshold}; give 1 to {HARDEST + 1}")
    outcomes = read_results(results)
    if as_json:
        rows = split_by_difficulty(outcomes, threshold)
        split = [{**asdict(row), "steps": row.steps, "share_small": row.share_small} for row in rows]
        print_json({"questions": len(outcomes), "threshold": threshold, "split": split})
        return
    shared = "as they were solved" if threshold is None else f"with a threshold of {threshold}"
    output.print(f"Steps of {len(outcomes)} questions, {shared}:\n\n{split_table(outcomes, threshold)}")


async def plan(config: CooperationConfig, folder: Path | None, manner: Manner) -> bool:
    models = scanned_models()
    cast = cast_roles(config, finder(models), local_names(models))
    async with working(models, cast.reach, manner) as work:
        if config.dataset.enabled and config.dataset.build.enabled:
            return await dataset.build(work, config, cast, folder, as_json=manner.as_json)
        if config.dataset.enabled:
            return await dataset.evaluate(work, config, cast, folder, as_json=manner.as_json)
        if not config.query:
            raise ConfigurationError("there is nothing to answer: give --query, 'query', or enable a data set")
        return await single.answer(work, config, cast, config.query, as_json=manner.as_json)


async def resume(config: CooperationConfig | None, run_id: str, step: str | None, manner: Manner) -> bool:
    models = scanned_models()
    cast = cast_roles(config, finder(models), local_names(models)) if config else None
    config = config or config_of("any")
    async with working(models, cast.reach if cast else reach_without(config), manner) as work:
        judge = cast.judge if cast else None
        if step is not None:
            options = cast.options if cast else None
            return await single.solve_again(work, config, judge, run_id, step, options, as_json=manner.as_json)
        return await single.resume(work, config, judge, run_id, as_json=manner.as_json)


async def without_models(
    do: Callable[[Services], Coroutine[Any, Any, bool | None]], *, scans: bool = False
) -> bool | None:
    """Do what asks no model; with ``scans`` those of this machine are known by name."""
    async with unasked(scans=scans) as work:
        return await do(work)


def unasked(*, scans: bool = False) -> contextlib.AbstractAsyncContextManager[Services]:
    """What is stored, without anybody to ask: no model is looked for, unless one is to be named (``scans``)."""
    models = scanned_models() if scans else ModelManager(get_settings().models_dir)
    return opened(models, reach_without(config_of("any")))


async def baseline(config: CooperationConfig, asked: Asked, folder: Path | None, manner: Manner) -> bool:
    models = scanned_models()
    reach: Reach
    reach, target = cast_one(config, asked.model, finder(models), local_names(models))
    async with working(models, reach, manner) as work:
        if config.dataset.enabled:
            return await dataset.baseline(work, config, target, asked.timeout_s, folder, as_json=manner.as_json)
        if not config.query:
            raise ConfigurationError("there is nothing to ask: give --query or --dataset")
        reports = Path(config.system.reports)
        return await single.ask_one(work, reports, target, config.query, asked.timeout_s, as_json=manner.as_json)


@contextlib.asynccontextmanager
async def working(models: ModelManager, reach: Reach, manner: Manner) -> AsyncIterator[Services]:
    """What a command works with: local models are those of the workbench that is running, if one is."""
    async with models_elsewhere(alone=manner.alone) as there:
        if there is None:
            async with opened(models, reach) as work:
                yield work
            return
        running = there
        async with opened(models, reach, lambda engine: RunningModels(running, engine)) as work:
            yield work


def with_query(config: CooperationConfig, query: str) -> CooperationConfig:
    data = config.model_dump()
    return parse_config({**data, "query": query, "dataset": {**data["dataset"], "enabled": False}}, "--query")


def config_or_model(path: Path, model: str | None) -> CooperationConfig:
    """The configuration; without the usual file a model's name is enough."""
    if model is not None and path == DEFAULT_CONFIG and not path.exists():
        return config_of(model)
    return load_config(path)


def config_of(model: str) -> CooperationConfig:
    return parse_config({"models": {"small_model": model, "large_model": model, "router_model": model}}, "--model")
