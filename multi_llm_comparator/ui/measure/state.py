"""What one browser session measures: the evaluation being set up, and the run in the address.

The run itself lives in the registry and in the store; a session only knows its id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import streamlit as st

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.evaluation.example_set import example_set
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.measuring.spec import (
    JUDGE_MODES,
    USUAL_RUBRIC,
    EvaluationSpec,
    JudgeSpec,
    Subject,
    TaskChoice,
    checked_spec,
    crossed,
)
from multi_llm_comparator.evaluation.prompt_sets import PromptSet
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.evaluation.tasks.base import TaskOptions
from multi_llm_comparator.ui.compare.first_panes import demo_four, four_ways
from multi_llm_comparator.ui.compare.state import loadable_models, pane_choices
from multi_llm_comparator.ui.kit import preferences
from multi_llm_comparator.ui.kit.actions import attempt, perform
from multi_llm_comparator.ui.kit.addressed import AddressedId
from multi_llm_comparator.workbench import get_workbench

_SETUP, _REVISION = "measure_setup", "measure_revision"
_RUN = AddressedId("run", "measure_run")
# Instead of a set's id.
EXAMPLE, NO_SET = "example", ""
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


def current_setup() -> Setup:
    """The setup as it is now. At first the one used last, as far as its models and sets are still there."""
    if _SETUP not in st.session_state:
        st.session_state[_SETUP] = _restored(preferences.load().measure)
    setup: Setup = st.session_state[_SETUP]
    return setup


def change_setup(**changes: Any) -> None:
    st.session_state[_SETUP] = replace(current_setup(), **changes)


def revise_setup(**changes: Any) -> None:
    """Change the setup otherwise than by its widgets, which are then made anew."""
    change_setup(**changes)
    st.session_state[_REVISION] = setup_revision() + 1


def setup_revision() -> int:
    return int(st.session_state.get(_REVISION, 0))


def _restored(kept: Mapping[str, Any]) -> Setup:
    known = pane_choices()
    fresh = Setup(models=tuple(model.id for model in example_models()))
    given = {f.name: kept[f.name] for f in fields(Setup) if f.name in kept}
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    usable = {n: v for n, v in given.items() if type(v) is type(getattr(fresh, n))}
    setup = replace(fresh, **usable)
    models = tuple(target for target in setup.models if target in known) or fresh.models
    judge = setup.judge if setup.judge in known else ""
    prompts = setup.prompts if setup.prompts in (EXAMPLE, NO_SET, *(s.id for s in known_sets())) else EXAMPLE
    return replace(setup, models=models, judge=judge, prompts=prompts)


def known_sets() -> Sequence[Any]:
    """The prompt sets that are kept here."""
    return PromptSets().list()


def chosen_prompts(setup: Setup) -> PromptSet | None:
    """The set that is chosen; None for none, or where it cannot be read, which the reader is told."""
    if setup.prompts == NO_SET:
        return None
    return example_set() if setup.prompts == EXAMPLE else attempt(lambda: PromptSets().load(setup.prompts))


def example_models() -> list[ModelInfo]:
    """Two quantizations of the first model, else two demo models, else the two smallest."""
    models = sorted(loadable_models(), key=lambda model: model.size)
    ways = [m for m in four_ways(models, get_workbench().settings.models_dir) if m.config.get("quantization")]
    return next((some for some in (ways, demo_four(models)) if len(some) > 1), models)[-2:]


def label_of(target: str) -> str:
    """What reports call a model: its label without its size."""
    choice = pane_choices().get(target)
    if choice is None:
        return target
    return choice.label.rpartition(" · ")[0] or choice.label if choice.model else choice.label


def spec_of(setup: Setup, prompts: PromptSet | None) -> EvaluationSpec:
    """Raises ConfigurationError: the setup cannot be evaluated as it is."""
    temperatures = dict.fromkeys(round(one, 2) for one in (setup.temperature, *setup.also_at))
    configs = [ModelConfig(temperature=one, max_tokens=setup.max_tokens) for one in temperatures]
    subjects = crossed(setup.models, [label_of(target) for target in setup.models], configs)
    options = TaskOptions(shots=setup.shots, limit=setup.limit or None, chat=setup.chat)
    judge = {"target": setup.judge, "mode": setup.judge_mode, "rubric": setup.rubric}
    return checked_spec(
        subjects=subjects,
        prompts=prompts,
        tasks=[TaskChoice(name=name, data=setup.data.strip() or None, options=options) for name in setup.tasks],
        repeats=setup.repeats,
        seed=setup.seed,
        judge=JudgeSpec.model_validate(judge) if setup.judge else None,
        reference=_reference(setup, subjects) if prompts is not None else None,
        cluster={"address": setup.cluster.strip()} if setup.cluster.strip() else None,
    )


def _reference(setup: Setup, subjects: Sequence[Subject]) -> str | None:
    """The id of the subject that the others' predictions are compared with; None: nobody, or it is not asked."""
    return next((subject.id for subject in subjects if setup.reference == subject.target), None)


def start() -> None:
    """Evaluate with the setup as it is now; where that is refused the reader is told why."""
    setup = current_setup()
    prompts = chosen_prompts(setup)
    spec = attempt(lambda: spec_of(setup, prompts))
    run = None if spec is None else perform(get_workbench().evaluations.start(spec))
    if run is not None:
        preferences.update(measure=_plain(setup))
        show_run(run.id)


def _plain(setup: Setup) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(setup).items()}


# --- the run --------------------------------------------------------------------------------------------------------


def current_run() -> EvaluationRun | None:
    """The run this page shows: the address's, else the one the session had open. An unknown one is said and dropped."""
    run_id = _RUN.read()
    if not run_id:
        return None
    run = perform(get_workbench().evaluations.get(run_id), run_id, timeout_s=60.0)
    if run is None:
        leave_run()
        return None
    show_run(run.id)
    return run


def taken(run: EvaluationRun) -> EvaluationSnapshot:
    """The run as it is at this moment; as it is stored now, if another process is at work on it."""
    followed = perform(get_workbench().evaluations.get(run.id), run.id) if run.owner is not None else None
    return (followed or run).snapshot()


def show_run(run_id: str) -> None:
    """Keep the run in the session and in the address, so that a reload or a copied address opens it again."""
    _RUN.write(run_id)


def open_run(run_id: str) -> None:
    """Turn to another run."""
    _RUN.ask(run_id)


def leave_run() -> None:
    """Set up another one; the run stays where it is."""
    _RUN.write(None)


def forget_run(run_id: str) -> None:
    """A run was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()


def set_up_again(run: EvaluationRun) -> None:
    """Set up another evaluation as this one was."""
    spec = run.spec
    config = spec.subjects[0].config
    first = spec.tasks[0] if spec.tasks else None
    revise_setup(
        prompts=_kept_id(spec.prompts),
        models=tuple(dict.fromkeys(subject.target for subject in spec.subjects)),
        tasks=tuple(task.name for task in spec.tasks),
        data=(first.data or "") if first else "",
        repeats=spec.repeats,
        temperature=config.temperature,
        also_at=tuple(dict.fromkeys(one.config.temperature for one in spec.subjects))[1:],
        seed=spec.seed,
        max_tokens=config.max_tokens,
        judge=spec.judge.target if spec.judge else "",
        judge_mode=spec.judge.mode if spec.judge else JUDGE_MODES[0],
        reference=spec.subject(spec.reference).target if spec.reference else "",
        cluster=spec.cluster.address if spec.cluster else "",
    )
    leave_run()


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
