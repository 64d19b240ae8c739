"""What the commands about plans do: plan, resume, baseline, export, analyze."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from multi_llm_comparator.cli import dataset, single
from multi_llm_comparator.cli.display import output
from multi_llm_comparator.cli.export import export as write_export
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.evaluation.report_dataset import split_table
from multi_llm_comparator.evaluation.task_split import read_results
from multi_llm_comparator.headless import finder, local_names, opened, scanned_models
from multi_llm_comparator.plans.config import CooperationConfig, DatasetSection, load_config, parse_config
from multi_llm_comparator.plans.plan import HARDEST
from multi_llm_comparator.plans.roles import Reach, cast_one, cast_roles, reach_without
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.wiring import Services

DEFAULT_CONFIG = Path("config.yaml")


async def run_plan(path: Path, query: str | None, folder: Path | None) -> bool:
    """Answer a question or a data set, as the configuration says."""
    config = load_config(path)
    return await plan(config if query is None else with_query(config, query), folder)


async def run_resume(run: str, path: Path) -> bool:
    """Go on with a run, or with the folder of a data-set run."""
    if not dataset.is_dataset_folder(run):
        return await resume(load_config(path) if path.exists() or path != DEFAULT_CONFIG else None, run)
    folder = Path(run)
    mode, stored, setup = dataset.stored_config(folder)
    if mode == "baseline":
        return await baseline(stored, setup.get("model"), None, setup.get("timeout_s"), folder)
    return await plan(stored, folder)


async def run_baseline(
    path: Path,
    model: str | None,
    query: str | None,
    dataset_path: Path | None,
    limit: int | None,
    timeout_s: float | None,
    folder: Path | None,
) -> bool:
    """Ask one model the question, or those of a data set."""
    read = config_or_model(path, model)
    if dataset_path is not None:
        section = DatasetSection(enabled=True, path=str(dataset_path), limit=limit)
        read = read.model_copy(update={"dataset": section})
    elif query is not None:
        read = with_query(read, query)
    elif limit is not None:
        read = read.model_copy(update={"dataset": read.dataset.model_copy(update={"limit": limit})})
    return await baseline(read, model, query, timeout_s, folder)


async def run_analyze(results: Path, threshold: int | None) -> bool:
    """Print how steps were shared out."""
    if threshold is not None and not 1 <= threshold <= HARDEST + 1:
        raise ConfigurationError(f"the threshold is {threshold}; give 1 to {HARDEST + 1}")
    outcomes = read_results(results)
    shared = "as they were solved" if threshold is None else f"with a threshold of {threshold}"
    output.print(f"Steps of {len(outcomes)} questions, {shared}:\n\n{split_table(outcomes, threshold)}")
    return True


async def plan(config: CooperationConfig, folder: Path | None) -> bool:
    models = scanned_models()
    cast = cast_roles(config, finder(models), local_names(models))
    async with opened(models, cast.reach) as work:
        if config.dataset.enabled and config.dataset.build.enabled:
            return await dataset.build(work, config, cast, folder)
        if config.dataset.enabled:
            return await dataset.evaluate(work, config, cast, folder)
        if not config.query:
            raise ConfigurationError("there is nothing to answer: give --query, 'query', or enable a data set")
        return await single.answer(work, config, cast, config.query)


async def resume(config: CooperationConfig | None, run_id: str) -> bool:
    models = scanned_models()
    cast = cast_roles(config, finder(models), local_names(models)) if config else None
    config = config or config_of("any")
    async with opened(models, cast.reach if cast else reach_without(config)) as work:
        return await single.resume(work, config, cast.judge if cast else None, run_id)


async def export(run_id: str, format: str, language: str, to: str | None) -> bool:
    return await without_models(lambda work: write_export(work, run_id, format, language, to))


async def without_models(do: Callable[[Services], Coroutine[Any, Any, bool]]) -> bool:
    """Do what asks no model, so that none is looked for."""
    async with opened(ModelManager(get_settings().models_dir), reach_without(config_of("any"))) as work:
        return await do(work)


async def baseline(
    config: CooperationConfig, model: str | None, query: str | None, timeout_s: float | None, folder: Path | None
) -> bool:
    models = scanned_models()
    reach: Reach
    reach, target = cast_one(config, model, finder(models), local_names(models))
    async with opened(models, reach) as work:
        if config.dataset.enabled:
            return await dataset.baseline(work, config, target, timeout_s, folder)
        if not config.query:
            raise ConfigurationError("there is nothing to ask: give --query or --dataset")
        return await single.ask_one(work, Path(config.system.reports), target, config.query, timeout_s)


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
