"""What one browser session measures: the evaluation being set up, and the run in the address."""

from __future__ import annotations

from dataclasses import dataclass, replace

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.evaluation.example_set import example_set
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.spec import (
    JUDGE_MODES,
    MAX_SUBJECTS,
    SUBJECT_IDS,
    USUAL_RUBRIC,
    EvaluationSpec,
    JudgeSpec,
    Subject,
    TaskChoice,
    checked_spec,
)
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
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
    config = ModelConfig(temperature=setup.temperature, max_tokens=setup.max_tokens)
    subjects = [
        Subject(id=letter, target=target, label=label_of(target)[:300], config=config)
        for letter, target in zip(SUBJECT_IDS, setup.models[:MAX_SUBJECTS], strict=False)
    ]
    options = TaskOptions(shots=setup.shots, limit=setup.limit or None, chat=setup.chat)
    judge = {"target": setup.judge, "mode": setup.judge_mode, "rubric": setup.rubric}
    return checked_spec(
        subjects=subjects,
        prompts=prompts,
        tasks=[TaskChoice(name=name, data=setup.data.strip() or None, options=options) for name in setup.tasks],
        repeats=setup.repeats,
        judge=JudgeSpec.model_validate(judge) if setup.judge else None,
    )


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
    config = spec.subjects[0].config
    first = spec.tasks[0] if spec.tasks else None
    SETUP.revise(
        prompts=_kept_id(spec.prompts),
        models=tuple(subject.target for subject in spec.subjects),
        tasks=tuple(task.name for task in spec.tasks),
        data=(first.data or "") if first else "",
        repeats=spec.repeats,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        judge=spec.judge.target if spec.judge else "",
        judge_mode=spec.judge.mode if spec.judge else JUDGE_MODES[0],
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
