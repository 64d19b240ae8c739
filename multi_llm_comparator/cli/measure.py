"""What ``llm-cooperation evaluate`` and ``promptset`` do: the Measure page, from the shell."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from rich.console import RenderableType
from rich.table import Table

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.cli.display import follow
from multi_llm_comparator.cli.options import DEFAULT_CONFIG
from multi_llm_comparator.cli.planning import Manner, config_of, working
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.plain_text import plain
from multi_llm_comparator.core.readable import seconds
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.report import remark_lines, result_table, verdict_lines
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.spec import (
    JUDGE_MODES,
    SUBJECT_IDS,
    Cluster,
    EvaluationSpec,
    JudgeMode,
    JudgeSpec,
    Subject,
    TaskChoice,
    checked_spec,
    crossed,
)
from multi_llm_comparator.evaluation.measuring.words import outlook_sentence
from multi_llm_comparator.evaluation.prompt_set_files import (
    FILE_FORMATS,
    MAX_FILE_BYTES,
    FileFormat,
    prompt_set_file,
    read_prompt_set,
)
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.evaluation.statistics.power import USUAL_DISCORDANCE, smallest_difference
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.headless import finder, local_names, opened, scanned_models
from multi_llm_comparator.plans.config import CooperationConfig, load_config, parse_config
from multi_llm_comparator.plans.roles import Reach, cast_one, reach_without
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.wiring import Services

WIDTH = 400


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The options of ``evaluate``."""

    models: tuple[str, ...]
    prompts: str | None
    tasks: str
    data: str | None
    subjects: str
    options: Mapping[str, Any]
    configs: Sequence[ModelConfig]
    repeats: int
    seed: int
    judge: str | None
    judge_mode: str
    reference: str | None
    ray: str | None
    actors: int | None
    title: str
    resumed: str | None
    to: Path | None
    config_path: Path
    as_json: bool
    alone: bool


async def run_evaluate(wanted: Wanted) -> bool:
    """Ask everything that is wanted, or what a run lacks, and report; whether it is done.

    Raises:
        ConfigurationError: what was asked for cannot be evaluated; nothing was asked.
    """
    check_output(wanted.to)
    path = wanted.config_path
    read = load_config(path) if path.exists() or path != DEFAULT_CONFIG else None
    if wanted.resumed is not None:
        return await _resume(wanted.resumed, read, wanted.to, as_json=wanted.as_json)
    subjects = tuple(name.strip() for name in wanted.subjects.split(",") if name.strip())
    models = scanned_models()
    reach, targets = reached([*wanted.models, *([wanted.judge] if wanted.judge else [])], read, models)
    judged_by = (targets.pop(), wanted.judge_mode) if wanted.judge else None
    spec = spec_of(
        crossed(targets, labels_of(targets, list(wanted.models), models), wanted.configs),
        prompts_named(wanted.prompts) if wanted.prompts else None,
        task_choices(wanted.tasks, wanted.data, TaskOptions(**wanted.options, subjects=subjects)),
        judged_by,
        title=wanted.title,
        repeats=wanted.repeats,
        seed=wanted.seed,
        reference=id_named(wanted.reference, list(wanted.models), len(wanted.configs)),
        cluster=Cluster(address=wanted.ray, actors=wanted.actors) if wanted.ray else None,
    )
    # Choices of tasks, and distances from a reference, are scored by a model of this process, so that is asked for
    # texts too; a cluster has models of its own.
    is_alone = wanted.alone or bool(spec.tasks or spec.reference or spec.cluster)
    async with working(models, reach, Manner(wanted.as_json, is_alone)) as services:
        return await evaluate(services, spec, wanted.to, as_json=wanted.as_json)


async def _resume(run_id: str, config: CooperationConfig | None, to: Path | None, *, as_json: bool) -> bool:
    async with opened(scanned_models(), reach_without(config or config_of("any"))) as work:
        return await resume(work, run_id, to, as_json=as_json)


def reached(names: list[str], config: CooperationConfig | None, models: ModelManager) -> tuple[Reach, list[str]]:
    """How to reach all of these, and what each is asked by.

    Raises:
        ConfigurationError: one of them is no model here and nothing that the configuration names.
    """
    groups: Reach | None = None
    targets = []
    for name in names:
        read = config or parse_config(
            {"models": dict.fromkeys(("small_model", "large_model", "router_model"), name)}, ""
        )
        reach, target = cast_one(read, name, finder(models), local_names(models))
        targets.append(target)
        groups = reach if groups is None else _joined(groups, reach)
    if groups is None:
        raise ConfigurationError("there is nobody to ask: give --model, once for each")
    return groups, targets


def _joined(one: Reach, other: Reach) -> Reach:
    models = {**one.groups.get("models", {}), **other.groups.get("models", {})}
    return replace(one, groups={**one.groups, "models": models}, keys={**one.keys, **other.keys})


def labels_of(targets: list[str], names: list[str], models: ModelManager) -> list[str]:
    """What reports call each: a local model by its name, unless two would be called the same."""
    found = [models.find(target) for target in targets]
    short = [model.name if model else name for model, name in zip(found, names, strict=False)]
    return [one if short.count(one) == 1 else name for one, name in zip(short, names, strict=True)]


def prompts_named(name: str) -> PromptSet:
    """The set of a file, or one that is kept here.

    Raises:
        DocumentError, ConfigurationError: there is none, or the file is wrong.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return read_prompt_set(read_bytes(path, MAX_FILE_BYTES), path.name)
    if (found := PromptSets().find(name)) is not None:
        return found
    raise ConfigurationError(f"{name!r} is neither a file nor a prompt set that is kept here; see promptset list")


def spec_of(
    subjects: Sequence[Subject],
    prompts: PromptSet | None,
    tasks: list[TaskChoice],
    judge: tuple[str, str] | None,
    *,
    title: str,
    repeats: int,
    seed: int = 1,
    reference: str | None = None,
    cluster: Cluster | None = None,
) -> EvaluationSpec:
    """Raises ConfigurationError: what was asked for cannot be evaluated."""
    return checked_spec(
        title=title,
        subjects=subjects,
        prompts=prompts,
        tasks=tasks,
        repeats=repeats,
        seed=seed,
        judge=JudgeSpec(target=judge[0], mode=_mode(judge[1])) if judge else None,
        reference=reference,
        cluster=cluster,
    )


def id_named(reference: str | None, names: list[str], each: int = 1) -> str | None:
    """The id of the subject that is the reference; of a model that is asked in several ways (``each``), the first.

    Raises:
        ConfigurationError: it is none of the models.
    """
    if reference is None:
        return None
    if reference not in names:
        raise ConfigurationError(f"--reference {reference!r} is none of the models; name it as --model does")
    return SUBJECT_IDS[names.index(reference) * each]


def _mode(name: str) -> JudgeMode:
    found = [mode for mode in JUDGE_MODES if mode == name]
    if not found:
        raise ConfigurationError(f"no judge mode {name!r}; there are {', '.join(get_args(JudgeMode))}")
    return found[0]


async def evaluate(work: Services, spec: EvaluationSpec, to: Path | None, *, as_json: bool = False) -> bool:
    """Ask everything and report; whether anything was answered."""
    rows = len(spec.prompts.rows) if spec.prompts else 0
    if rows and len(spec.subjects) > 1:
        visible = smallest_difference(rows, comparisons=len(spec.pairs))
        messages.print(outlook_sentence("prompts", rows, visible, USUAL_DISCORDANCE, "en", comparisons=len(spec.pairs)))
    return await finish(work, await work.evaluations.start(spec), to, as_json=as_json)


async def resume(work: Services, run_id: str, to: Path | None, *, as_json: bool = False) -> bool:
    """Ask what has no answer yet; whether anything was answered."""
    return await finish(work, await work.evaluations.resume(run_id), to, as_json=as_json)


async def finish(work: Services, run: EvaluationRun, to: Path | None, *, as_json: bool) -> bool:
    """Wait for a run, and print what it found."""
    await follow(work.runs, run, lambda: evaluation_view(run.snapshot()), "evaluate --resume")
    snapshot = run.snapshot()
    if as_json:
        print_json({"run_id": run.id, "state": snapshot.state, **json.loads(export_evaluation(snapshot, "json"))})
    else:
        _tell(snapshot)
    if snapshot.error:
        messages.print(f"error: {snapshot.error}", style="red")
    if snapshot.failed:
        messages.print(f"{snapshot.failed} failed; ask them again with: llm-cooperation evaluate --resume {run.id}")
    messages.print(f"run: {run.id}")
    if to is not None:
        _write(snapshot, to)
    return snapshot.state == "done"


def _tell(snapshot: EvaluationSnapshot) -> None:
    """The table of scores and the verdicts."""
    results = results_of(snapshot)
    heading, rows = result_table(snapshot, results, "en")
    found = Table(*heading, box=None, padding=(0, 1))
    for row in rows:
        found.add_row(*map(plain, row))
    # Through a pipe, too, a row stays a row.
    output.print(found, width=WIDTH, crop=False)
    for line in (*verdict_lines(snapshot, results, "en"), *remark_lines(snapshot, "en")):
        output.print(plain(line))


def _write(snapshot: EvaluationSnapshot, to: Path) -> None:
    format = {"md": "markdown", "htm": "html"}.get(to.suffix[1:].lower(), to.suffix[1:].lower())
    write_atomically(to, export_evaluation(snapshot, format).decode())
    messages.print(f"written: {to}")


def check_output(to: Path | None) -> None:
    """Raises ConfigurationError: no report has such an ending; said before anything is asked."""
    endings = {*export_evaluation.formats, "md", "htm"} - {"markdown"}
    if to is not None and to.suffix[1:].lower() not in endings:
        raise ConfigurationError(f"{str(to)!r} must end in one of {', '.join(f'.{e}' for e in sorted(endings))}")


def evaluation_view(snapshot: EvaluationSnapshot) -> RenderableType:
    """An evaluation at work: how far each subject is, how fast, and how long it will take."""
    view = Table(box=None, padding=(0, 1), show_header=False)
    for progress in snapshot.progress:
        subject = snapshot.spec.subject(progress.subject)
        view.add_row(
            plain(subject.name[:60]),
            progress.state,
            f"{progress.done + progress.failed} of {progress.total}",
            f"{progress.failed} failed" if progress.failed else "",
            "" if progress.items_per_s is None else f"{progress.items_per_s:.2g}/s",
            "" if not progress.left_s else f"about {seconds(progress.left_s)} left",
        )
    if snapshot.judged[1]:
        view.add_row("judge", snapshot.phase, f"{snapshot.judged[0]} of {snapshot.judged[1]}", "", "", "")
    return view


def task_choices(names: str, data: str | None, options: TaskOptions) -> list[TaskChoice]:
    """The tasks named with commas."""
    return [TaskChoice(name=name.strip(), data=data, options=options) for name in names.split(",") if name.strip()]


# --- prompt sets ----------------------------------------------------------------------------------------------------


def list_sets(as_json: bool) -> None:
    if as_json:
        print_json([{"id": facts.id, "name": facts.name, "rows": facts.rows} for facts in PromptSets().list()])
        return
    for facts in PromptSets().list():
        output.print(f"{facts.id}  {facts.rows:>6} prompts  {facts.name}")


def import_set(file: Path, name: str | None, as_json: bool) -> None:
    """Raises ConfigurationError, DocumentError: the file cannot be read, or holds no prompts."""
    try:
        data = read_bytes(file.expanduser(), MAX_FILE_BYTES)
    except OSError as exc:
        raise ConfigurationError(f"{str(file)!r} cannot be read: {exc.strerror}") from exc
    prompts = read_prompt_set(data, file.name)
    kept = PromptSets().save(prompts.model_copy(update={"name": (name or prompts.name)[:100]}))
    if as_json:
        print_json({"id": kept.id, "name": kept.name, "rows": len(kept.rows)})
    else:
        output.print(kept.id)
    messages.print(f"{len(kept.rows)} prompts are kept as {kept.name!r}")


def export_set(name: str, to: Path, as_json: bool) -> None:
    prompts = _kept(name)
    write_atomically(to, prompt_set_file(prompts, _format(to)).decode())
    messages.print(f"written: {to}")
    if as_json:
        print_json({"id": prompts.id, "rows": len(prompts.rows), "written": str(to)})


def delete_set(name: str, as_json: bool) -> None:
    prompts = _kept(name)
    PromptSets().delete(prompts.id)
    messages.print(f"deleted: {prompts.name}")
    if as_json:
        print_json({"deleted": prompts.id, "name": prompts.name})


def _kept(name: str) -> PromptSet:
    """Raises ConfigurationError: there is none of this id or name."""
    prompts = PromptSets().find(name)
    if prompts is None:
        raise ConfigurationError(f"no prompt set {name!r} is kept here; see promptset list")
    return prompts


def _format(path: Path) -> FileFormat:
    found = [format for format in FILE_FORMATS if f".{format}" == path.suffix.lower()]
    if not found:
        raise ConfigurationError(f"{str(path)!r} must end in one of {', '.join(f'.{f}' for f in FILE_FORMATS)}")
    return found[0]
