"""What one browser session measures: the evaluation being set up, and the run in the address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from multi_llm_comparator.comparison.presets import Presets
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.plain_errors import checked
from multi_llm_comparator.evaluation.example_set import example_set
from multi_llm_comparator.evaluation.measuring.crossing import crossed, ways_of
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.spec import (
    JUDGE_MODES,
    USUAL_RUBRIC,
    Crossing,
    EvaluationSpec,
    JudgeSpec,
    Subject,
    TaskChoice,
    checked_spec,
    names_in,
    subjects_of,
    task_choices,
)
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.evaluation.tasks.catalogue import LOADERS
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import attempt, perform
from multi_llm_comparator.ui.kit.page_setup import PageSetup, restored
from multi_llm_comparator.ui.kit.shown_run import ShownRun
from multi_llm_comparator.ui.measure.asked import (
    EXAMPLE,
    NO_SET,
    chosen_set,
    example_models,
    known_sets,
    label_of,
    usable_models,
    usable_set,
)
from multi_llm_comparator.workbench import get_workbench

MAX_TOKENS = 128


@dataclass(frozen=True)
class Setup:
    """What the next evaluation asks, and of whom."""

    prompts: str = EXAMPLE
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    data: str = ""
    limit: int = 50
    shots: int = 5
    chat: bool = False
    repeats: int = 1
    temperature: float = 0.0
    max_tokens: int = MAX_TOKENS
    judge: str = ""
    judge_mode: str = JUDGE_MODES[0]
    rubric: str = USUAL_RUBRIC
    reference: str = ""
    cluster: str = ""
    also_at: tuple[float, ...] = ()
    seed: int = 1
    shots_seed: int = TaskOptions().seed
    file: str = ""
    subjects: str = ""
    lm_eval: str = ""
    presets: tuple[str, ...] = ()
    systems: tuple[str, ...] = ()


def _first() -> Setup:
    """The setup used last, as far as its models and sets are still there."""
    fresh = Setup(models=tuple(model.id for model in example_models()))
    setup = restored(fresh, preferences.load().measure)
    return replace(
        setup,
        models=usable_models(setup.models) or fresh.models,
        judge=next(iter(usable_models([setup.judge])), ""),
        prompts=usable_set(setup.prompts),
    )


SETUP = PageSetup("measure", _first, remembered="measure")
RUN: ShownRun[EvaluationRun, EvaluationSnapshot] = ShownRun("measure", lambda workbench: workbench.evaluations)


def spec_of(setup: Setup, prompts: PromptSet | None) -> EvaluationSpec:
    """Raises ConfigurationError: the setup cannot be evaluated as it is."""
    crossing = crossing_of(setup)
    ways = ways_of(crossing, Presets().named(crossing.presets))
    subjects = crossed(setup.models, [label_of(target) for target in setup.models], ways)
    judge = {"target": setup.judge, "label": label_of(setup.judge)[:300], "mode": setup.judge_mode}
    if setup.rubric.strip():
        judge["rubric"] = setup.rubric
    return checked_spec(
        subjects=subjects,
        prompts=prompts,
        tasks=tasks_of(setup),
        repeats=setup.repeats,
        seed=setup.seed,
        judge=JudgeSpec.model_validate(judge) if setup.judge else None,
        reference=_reference(setup, subjects) if prompts is not None else None,
        cluster={"address": setup.cluster.strip()} if setup.cluster.strip() else None,
        crossing=crossing if crossing.presets or crossing.systems else None,
    )


def crossing_of(setup: Setup) -> Crossing:
    """Raises ConfigurationError: too many of something, or a system prompt that is too long."""
    temperatures = tuple(dict.fromkeys(round(one, 2) for one in (setup.temperature, *setup.also_at)))
    fields = {
        "base": ModelConfig(temperature=temperatures[0], max_tokens=setup.max_tokens),
        "presets": setup.presets,
        # One alone is of the parameters above, and leaves a preset its own.
        "temperatures": temperatures if len(temperatures) > 1 else (),
        "systems": setup.systems,
    }
    return checked(Crossing, fields)


def task_names(setup: Setup) -> list[str]:
    """The published tasks that are chosen, and the file of questions that is named."""
    return [*setup.tasks, *([setup.file.strip()] if setup.file.strip() else [])]


def tasks_of(setup: Setup) -> list[TaskChoice]:
    """Raises ConfigurationError: a subject is named of a task that is not chosen."""
    options = TaskOptions(shots=setup.shots, limit=setup.limit or None, chat=setup.chat, seed=max(0, setup.shots_seed))
    return task_choices(task_names(setup), setup.data.strip() or None, options, names_in(setup.subjects))


def _reference(setup: Setup, subjects: Sequence[Subject]) -> str | None:
    """The id of the subject that the others' predictions are compared with; None: nobody, or it is not asked."""
    return next((subject.id for subject in subjects if setup.reference == subject.target), None)


def start() -> None:
    """Evaluate with the setup as it is now; where that is refused the reader is told why."""
    setup = SETUP.current()
    prompts = chosen_set(setup.prompts)
    spec = attempt(lambda: spec_of(setup, prompts))
    run = None if spec is None else perform(get_workbench().evaluations.start(spec))
    if run is not None:
        SETUP.remember()
        RUN.show(run.id)


def set_up_again(run: EvaluationRun) -> None:
    """Set up another evaluation as this one was."""
    spec = run.spec
    config, usual = spec.crossing.base if spec.crossing else spec.subjects[0].config, Setup()
    temperatures = spec.crossing.temperatures if spec.crossing else [one.config.temperature for one in spec.subjects]
    first = spec.tasks[0] if spec.tasks else None
    options = first.options if first else None
    SETUP.revise(
        prompts=_kept_id(spec.prompts),
        models=tuple(dict.fromkeys(subject.target for subject in spec.subjects)),
        tasks=tuple(task.name for task in spec.tasks if task.name in LOADERS),
        file=next((task.name for task in spec.tasks if task.name not in LOADERS), ""),
        subjects=", ".join(subjects_of(spec.tasks)) if spec.tasks else "",
        limit=(options.limit or 0) if options else usual.limit,
        shots=usual.shots if options is None or options.shots is None else options.shots,
        chat=options.chat if options else usual.chat,
        shots_seed=options.seed if options else usual.shots_seed,
        data=(first.data or "") if first else "",
        repeats=spec.repeats,
        temperature=temperatures[0] if temperatures else config.temperature,
        also_at=tuple(dict.fromkeys(temperatures))[1:],
        presets=spec.crossing.presets if spec.crossing else (),
        systems=spec.crossing.systems if spec.crossing else (),
        seed=spec.seed,
        max_tokens=config.max_tokens,
        judge=spec.judge.target if spec.judge else "",
        judge_mode=spec.judge.mode if spec.judge else JUDGE_MODES[0],
        rubric=spec.judge.rubric if spec.judge else USUAL_RUBRIC,
        reference=spec.subject(spec.reference).target if spec.reference else "",
        cluster=spec.cluster.address if spec.cluster else "",
    )
    RUN.leave()


def _kept_id(prompts: PromptSet | None) -> str:
    if prompts is None:
        return NO_SET
    if prompts.digest == example_set().digest:
        return EXAMPLE
    known = [facts.id for facts in known_sets()]
    if prompts.id in known:
        return prompts.id
    # It was asked from the shell, or deleted meanwhile: the run has a copy.
    kept = attempt(lambda: PromptSets().save(prompts.model_copy(update={"id": ""})))
    return kept.id if kept else EXAMPLE
