"""A whole data set: solved, turned into question-plan pairs, or asked of a single model."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.cli.display import show_while, standing_view
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError
from multi_llm_comparator.core.work_folder import SETUP_FILE, read_setup
from multi_llm_comparator.evaluation.dataset_build import PAIRS_FILE, write_pairs
from multi_llm_comparator.evaluation.dataset_run import DatasetRun, DatasetStanding, OutcomeJournal, Solve
from multi_llm_comparator.evaluation.datasets import read_dataset
from multi_llm_comparator.evaluation.judging import Judge
from multi_llm_comparator.evaluation.measuring.answered import Answered
from multi_llm_comparator.evaluation.measuring.spec import MAX_TARGET_CHARS, TaskChoice
from multi_llm_comparator.evaluation.report_dataset import RESULTS_FILE, write_dataset_report
from multi_llm_comparator.evaluation.reports import report_folder
from multi_llm_comparator.evaluation.solving import Baseline, PlanOnly, Solver
from multi_llm_comparator.evaluation.task_split import read_results
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.plans.config import CooperationConfig, parse_config
from multi_llm_comparator.plans.roles import Cast
from multi_llm_comparator.wiring import Services

Mode = Literal["dataset", "build", "baseline"]
TRAINER = "python -m multi_llm_comparator.training.trainer"


@dataclass(frozen=True)
class Place:
    """What is done in which folder, and whether its result is printed as one JSON value."""

    mode: Mode
    folder: Path
    as_json: bool


def is_dataset_folder(text: str) -> bool:
    return (Path(text) / SETUP_FILE).is_file()


def stored_config(folder: Path) -> tuple[Mode, CooperationConfig, dict[str, Any]]:
    """What a folder was begun with: mode, configuration, and what else the mode needs.

    Raises:
        DocumentError: the folder is none of a data-set run.
        ConfigurationError: its configuration is not of this version.
    """
    setup = read_setup(folder)
    mode, config = setup.get("mode"), setup.get("config")
    if mode not in ("dataset", "build", "baseline") or not isinstance(config, dict):
        raise DocumentError(f"{str(folder)!r} is not the folder of a data-set run")
    return mode, parse_config(config, str(folder / SETUP_FILE)), setup


def answered_in(folders: Sequence[Path]) -> tuple[TaskChoice, list[Answered]]:
    """The data set that runs in these folders have answered, and what they answered.

    Raises:
        DocumentError: a folder is none of a data-set run, or its run has not ended.
        ConfigurationError: they answered different data sets, or only collected plans.
    """
    found, sets = list[Answered](), dict[Path, list[int | None]]()
    for folder in folders:
        mode, config, setup = stored_config(folder)
        if mode == "build":
            raise ConfigurationError(f"{str(folder)!r} has collected plans; there are no answers to compare")
        models = config.models
        cast = ", ".join((models.router_model, models.small_model, models.large_model))
        target = (str(setup.get("model")) if mode == "baseline" else f"plan ({cast})")[:MAX_TARGET_CHARS]
        outcomes = read_results(folder / RESULTS_FILE)
        found.append(Answered(target=target, label=f"{target} · {folder.name}", outcomes=outcomes))
        sets.setdefault(Path(config.dataset.path or "").absolute(), []).append(config.dataset.limit)
    if len(sets) != 1:
        raise ConfigurationError(f"these runs answered different data sets: {', '.join(map(str, sets))}")
    ((path, limits),) = sets.items()
    known = [limit for limit in limits if limit is not None]
    options = TaskOptions(limit=max(known) if len(known) == len(limits) else None)
    return TaskChoice(name=str(path), options=options), found


async def evaluate(
    work: Services, config: CooperationConfig, cast: Cast, folder: Path | None, *, as_json: bool
) -> bool:
    """Solve all questions together and report; whether any was answered."""
    judge = Judge(work.gateway, cast.judge) if cast.judge else None
    solve = partial(_solver, work, config, cast, judge)
    place = Place("dataset", folder or _new_folder(config, cast), as_json)
    return await _solve_all(config, solve, place, _about(config, cast))


def _solver(
    work: Services, config: CooperationConfig, cast: Cast, judge: Judge | None, begun: OutcomeJournal
) -> Solver:
    """Its runs are stored as any other: they can be opened on the page, and predictions learn from them."""
    options, evaluation = cast.options, config.evaluation
    return Solver(work.gateway, options, judge=judge, evaluation=evaluation, plans=work.plans, begun=begun)


async def build(work: Services, config: CooperationConfig, cast: Cast, folder: Path | None, *, as_json: bool) -> bool:
    """Have plans written, solved where that is wanted, and the pairs saved; whether there is any."""
    section = config.dataset.build
    judge = Judge(work.gateway, cast.judge) if cast.judge else None
    plan_only = PlanOnly(work.gateway, cast.options, judge=judge if config.evaluation.judges_plans else None)

    def solve(journal: OutcomeJournal) -> Solve:
        executes = section.use_models_for_execution
        return _solver(work, config, cast, judge, journal) if executes else plan_only

    place = Place("build", folder or _new_folder(config, cast), as_json)
    return await _solve_all(config, solve, place, _about(config, cast))


async def baseline(
    work: Services,
    config: CooperationConfig,
    model: str,
    timeout_s: float | None,
    folder: Path | None,
    *,
    as_json: bool,
) -> bool:
    """Ask one model all questions; whether any was answered."""
    solve = Baseline(work.gateway, model, timeout_s=timeout_s, plans=work.plans)
    folder = folder or report_folder(Path(config.system.reports), "single_model_results", [model])
    about = {"model": model, "data set": config.dataset.path or "", "timeout": timeout_s or "none"}
    place = Place("baseline", folder, as_json)
    return await _solve_all(config, lambda _: solve, place, about, {"model": model, "timeout_s": timeout_s})


async def _solve_all(
    config: CooperationConfig,
    solve: Callable[[OutcomeJournal], Solve],
    place: Place,
    about: Mapping[str, object],
    more: Mapping[str, Any] | None = None,
) -> bool:
    mode, folder = place.mode, place.folder
    questions = read_dataset(config.dataset.path or "", config.dataset.limit)
    journal = OutcomeJournal(folder, {"mode": mode, "config": config.model_dump(mode="json"), **(more or {})})
    run = DatasetRun(questions, journal, solve(journal), in_flight=config.system.questions_in_flight)
    try:
        await show_while(run.run(), lambda: standing_view(run.standing()))
    except asyncio.CancelledError:
        messages.print(f"stopped; go on with: llm-cooperation resume {folder}")
        raise
    pairs = _write_pairs(config, run, folder) if mode == "build" else None
    kept = f"of {len(run.outcomes)} question-plan pairs were kept, in {PAIRS_FILE}."
    notes = [] if pairs is None else [f"{pairs} {kept}"]
    report = write_dataset_report(folder, run.outcomes, about, notes=notes)
    messages.print(f"report: {report}")
    standing = run.standing()
    if place.as_json:
        found = {**asdict(standing), "accuracy": standing.accuracy, "pairs": pairs}
        print_json({"mode": mode, **found, "folder": str(folder), "report": str(report)})
    else:
        output.print("\n".join((*notes, _summary(standing))))
    return any(outcome.state == "done" for outcome in run.outcomes)


def _write_pairs(config: CooperationConfig, run: DatasetRun, folder: Path) -> int:
    """Write them; how many there are."""
    count = write_pairs(
        folder,
        run.outcomes,
        save_thinking=config.dataset.build.save_thinking,
        system_prompt=config.models.planner_prompt,
    )
    if count:
        data = shlex.quote(str(folder / PAIRS_FILE))
        messages.print(
            f"tune a planner with: {TRAINER} --data_path {data} --model_path MODEL --output_dir NEW_MODEL",
            soft_wrap=True,
        )
    return count


def _summary(standing: DatasetStanding) -> str:
    parts = [f"{standing.ended} of {standing.total} questions"]
    if standing.accuracy is not None:
        parts.append(f"{standing.correct} of {standing.judged} right ({100 * standing.accuracy:.1f}%)")
    if standing.failed:
        parts.append(f"{standing.failed} failed and will be asked again when this run is resumed")
    return ", ".join(parts)


def _new_folder(config: CooperationConfig, cast: Cast) -> Path:
    executor = cast.options.executor
    models = [cast.options.router_model, executor.small_model, executor.large_model]
    return report_folder(Path(config.system.reports), "dataset", models)


def _about(config: CooperationConfig, cast: Cast) -> dict[str, object]:
    executor = cast.options.executor
    return {
        "data set": config.dataset.path or "",
        "planner": cast.options.router_model,
        "small model": executor.small_model,
        "large model": executor.large_model,
        "threshold": executor.threshold if executor.enable_threshold else "off: all steps to the large model",
        "workers": executor.workers,
        "questions in flight": config.system.questions_in_flight,
        "judge": cast.judge or "none",
    }
