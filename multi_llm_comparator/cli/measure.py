"""What ``llm-cooperation evaluate`` and ``promptset`` do: the Measure page, from the shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from rich.console import RenderableType
from rich.table import Table

from multi_llm_comparator.cli.consoles import messages, output, print_json
from multi_llm_comparator.cli.dataset import answered_in
from multi_llm_comparator.cli.display import follow
from multi_llm_comparator.cli.measure_app import Wanted
from multi_llm_comparator.cli.options import DEFAULT_CONFIG
from multi_llm_comparator.cli.planning import Manner, config_of, unasked, working
from multi_llm_comparator.comparison.presets import Presets
from multi_llm_comparator.cooperation.spec import PREFIX as COOPERATION
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.core.plain_text import plain
from multi_llm_comparator.core.readable import seconds
from multi_llm_comparator.core.reading import read_bytes
from multi_llm_comparator.evaluation.measuring.answered import keep_answered
from multi_llm_comparator.evaluation.measuring.crossing import Way, crossed, ways_of
from multi_llm_comparator.evaluation.measuring.export import export_evaluation
from multi_llm_comparator.evaluation.measuring.outlook import count_line, items_asked, outlook_lines
from multi_llm_comparator.evaluation.measuring.report import remark_lines, result_table, verdict_lines
from multi_llm_comparator.evaluation.measuring.results import results_of
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.spec import (
    JUDGE_MODES,
    MAX_RUBRIC_CHARS,
    SUBJECT_IDS,
    USUAL_RUBRIC,
    Cluster,
    Crossing,
    EvaluationSpec,
    JudgeMode,
    JudgeSpec,
    checked_spec,
    names_in,
    task_choices,
)
from multi_llm_comparator.evaluation.prompt_set_files import MAX_FILE_BYTES, read_prompt_set
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.headless import finder, local_names, opened, scanned_models
from multi_llm_comparator.plans.config import CooperationConfig, load_config
from multi_llm_comparator.plans.roles import Reach, cast_one, reach_without
from multi_llm_comparator.plans.saved import PREFIX as PLAN
from multi_llm_comparator.plans.saved import SavedPlans
from multi_llm_comparator.services.model_manager import ModelManager
from multi_llm_comparator.wiring import Services

WIDTH, MAX_TOKENS = 400, 256


async def run_evaluate(wanted: Wanted) -> bool:
    """Ask everything that is wanted, or what a run lacks, and report; whether it is done.

    Raises:
        ConfigurationError: what was asked for cannot be evaluated; nothing was asked.
    """
    check_output(wanted.to)
    path = wanted.config
    read = load_config(path) if path.exists() or path != DEFAULT_CONFIG else None
    if wanted.resume_run is not None:
        return await _resume(wanted.resume_run, read, wanted.to, as_json=wanted.as_json)
    if wanted.rescore_run is not None:
        return await _rescore(wanted.rescore_run, wanted.prompts, wanted.to, as_json=wanted.as_json)
    if wanted.answered:
        return await _compare_answered(wanted.answered, wanted.title, wanted.to, as_json=wanted.as_json)
    return await _ask(wanted, read)


async def _ask(wanted: Wanted, read: CooperationConfig | None) -> bool:
    models = scanned_models()
    asked = [*(wanted.model or []), *([wanted.judge] if wanted.judge else [])]
    reach, targets = reached(asked, read, models)
    spec = _spec(wanted, targets, models)
    # Choices, and distances from a reference, are scored by a model of this process, so that is asked for texts too; a
    # cluster has models of its own.
    rows = spec.prompts.rows if spec.prompts else ()
    has_choices = bool(spec.tasks) or any(row.compare == "choice" for row in rows)
    is_alone = wanted.alone or has_choices or bool(spec.reference or spec.cluster)
    async with working(models, reach, Manner(wanted.as_json, is_alone)) as services:
        return await evaluate(services, spec, wanted.to, as_json=wanted.as_json)


def _spec(wanted: Wanted, targets: list[str], models: ModelManager) -> EvaluationSpec:
    """What is asked of ``targets``, of which the last one judges where a judge is wanted.

    Raises:
        ConfigurationError: it cannot be evaluated.
    """
    names, judge = wanted.model or [], None
    if wanted.judge:
        target = targets.pop()
        (label,) = labels_of([target], [wanted.judge], models)
        judge = judge_of(target, label, wanted.judge_mode, wanted.rubric)
    crossing, ways = parameters_of(wanted)
    options = TaskOptions(shots=wanted.shots, limit=wanted.limit, chat=wanted.chat, seed=wanted.shots_seed)
    return checked_spec(
        title=wanted.title,
        subjects=crossed(targets, labels_of(targets, names, models), ways),
        prompts=prompts_named(wanted.prompts) if wanted.prompts else None,
        tasks=task_choices(names_in(wanted.tasks), wanted.data, options, names_in(wanted.subjects)),
        repeats=wanted.repeats,
        seed=wanted.seed,
        judge=judge,
        reference=id_named(wanted.reference, names, len(ways)),
        cluster=Cluster(address=wanted.ray, actors=wanted.actors) if wanted.ray else None,
        crossing=crossing if crossing.presets or crossing.systems else None,
    )


def parameters_of(wanted: Wanted) -> tuple[Crossing, list[Way]]:
    """The sets of parameters that each model is asked with. What is given beside presets stands in place of theirs.

    Raises:
        ConfigurationError: no preset of that name, or too many of something.
    """
    fields = {
        "base": ModelConfig(temperature=0.0, max_tokens=wanted.max_tokens or MAX_TOKENS),
        "presets": tuple(dict.fromkeys(wanted.parameters or ())),
        "temperatures": tuple(dict.fromkeys(wanted.temperature or ())),
        "systems": tuple(dict.fromkeys(wanted.system or ())),
    }
    crossing = checked(Crossing, fields)
    given = {} if wanted.max_tokens is None else {"max_tokens": wanted.max_tokens}
    saved = {name: {**parameters, **given} for name, parameters in Presets().named(crossing.presets).items()}
    return crossing, ways_of(crossing, saved)


async def _resume(run_id: str, config: CooperationConfig | None, to: Path | None, *, as_json: bool) -> bool:
    async with opened(scanned_models(), reach_without(config or config_of("any"))) as work:
        return await resume(work, run_id, to, as_json=as_json)


async def _rescore(run_id: str, prompts: str | None, to: Path | None, *, as_json: bool) -> bool:
    """Compare stored answers once more, by what a set expects now; nobody is asked."""
    by = prompts_named(prompts) if prompts else None
    async with unasked() as work:
        run = await work.evaluations.get(run_id)
        changed = await run.rescore(by)
        messages.print(f"{changed} scores or reasons changed")
        return report(run.snapshot(), to, as_json=as_json)


async def _compare_answered(folders: Sequence[Path], title: str, to: Path | None, *, as_json: bool) -> bool:
    """Compare what data-set runs have answered; nobody is asked."""
    data, runs = answered_in(folders)
    async with unasked(scans=True) as work:
        labels = labels_of([run.target for run in runs], [run.label for run in runs], work.models)
        named = [replace(run, label=label) for run, label in zip(runs, labels, strict=True)]
        run = await keep_answered(work.evaluations, data, named, title)
        return report(run.snapshot(), to, as_json=as_json, was_asked=False)


def reached(names: list[str], config: CooperationConfig | None, models: ModelManager) -> tuple[Reach, list[str]]:
    """How to reach all of these, and what each is asked by.

    Raises:
        ConfigurationError: one of them is no model here and nothing that the configuration names.
    """
    if not names:
        raise ConfigurationError("there is nobody to ask: give --model, once for each")
    # What plans and cooperations are made of is named by the groups' file, or is on this machine.
    groups = reach_without(config or config_of("any"))
    targets = []
    for name in names:
        if name.startswith((PLAN, COOPERATION)):
            _check_saved(name)
            targets.append(name)
            continue
        reach, target = cast_one(config or config_of(name), name, finder(models), local_names(models))
        targets.append(target)
        groups = _joined(groups, reach)
    return groups, targets


def _check_saved(target: str) -> None:
    """Raises ModelNotFoundError, ConfigurationError: no plan of this name, or its file is wrong."""
    if target.startswith(PLAN):
        SavedPlans().load(target.removeprefix(PLAN))


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
        return read_prompt_set(read_bytes(path, MAX_FILE_BYTES), path.name, path.parent)
    if (found := PromptSets().find(name)) is not None:
        return found
    raise ConfigurationError(f"{name!r} is neither a file nor a prompt set that is kept here; see promptset list")


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


def judge_of(target: str, label: str, mode: str, rubric: str) -> JudgeSpec:
    """Who judges, and by what; a rubric makes the judge go by it.

    Raises:
        ConfigurationError: no such mode, or one that goes by no rubric.
    """
    chosen = _mode(mode or ("rubric" if rubric else JUDGE_MODES[0]))
    if rubric and chosen != "rubric":
        raise ConfigurationError(f"--rubric is for --judge-mode rubric, not {chosen}")
    if len(rubric) > MAX_RUBRIC_CHARS:
        raise ConfigurationError(f"the rubric has {len(rubric)} characters; at most {MAX_RUBRIC_CHARS} are used")
    return JudgeSpec(target=target, label=label[:300], mode=chosen, rubric=rubric or USUAL_RUBRIC)


def _mode(name: str) -> JudgeMode:
    found = [mode for mode in JUDGE_MODES if mode == name]
    if not found:
        raise ConfigurationError(f"no judge mode {name!r}; there are {', '.join(get_args(JudgeMode))}")
    return found[0]


async def evaluate(work: Services, spec: EvaluationSpec, to: Path | None, *, as_json: bool = False) -> bool:
    """Ask everything and report; whether anything was answered.

    Raises:
        DocumentError: the data of a task cannot be read; nothing was asked.
    """
    counts = await asyncio.to_thread(items_asked, spec.prompts, spec.tasks)
    models = len({subject.target for subject in spec.subjects})
    ways, rest = divmod(len(spec.subjects), models)
    # One that was named twice counts twice.
    models, ways = (len(spec.subjects), 1) if rest else (models, ways)
    messages.print(count_line(counts, models, ways, spec.repeats, "en"))
    for line in outlook_lines(counts, len(spec.subjects), "en"):
        messages.print(line)
    return await finish(work, await work.evaluations.start(spec), to, as_json=as_json)


async def resume(work: Services, run_id: str, to: Path | None, *, as_json: bool = False) -> bool:
    """Ask what has no answer yet; whether anything was answered."""
    return await finish(work, await work.evaluations.resume(run_id), to, as_json=as_json)


async def finish(work: Services, run: EvaluationRun, to: Path | None, *, as_json: bool) -> bool:
    """Wait for a run, and print what it found."""
    await follow(work.runs, run, lambda: evaluation_view(run.snapshot()), "evaluate --resume")
    return report(run.snapshot(), to, as_json=as_json)


def report(snapshot: EvaluationSnapshot, to: Path | None, *, as_json: bool, was_asked: bool = True) -> bool:
    """Print what a run found, and write its report; whether it is done. ``was_asked``: what failed can be asked by it
    again."""
    if as_json:
        print_json({"run_id": snapshot.id, "state": snapshot.state, **json.loads(export_evaluation(snapshot, "json"))})
    else:
        _tell(snapshot)
    if snapshot.error:
        messages.print(f"error: {snapshot.error}", style="red")
    if snapshot.failed and was_asked:
        again = f"llm-cooperation evaluate --resume {snapshot.id}"
        messages.print(f"{snapshot.failed} failed; ask them again with: {again}")
    messages.print(f"run: {snapshot.id}")
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
