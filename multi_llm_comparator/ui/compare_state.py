"""What one browser session compares: the panes being set up, and the run in the address.

The run itself lives in the registry and in the store; a session only knows its id. The panes are a draft until a prompt
is sent, so that two tabs can prepare different things.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.documents import PaneDocument, pane_document, pane_from, validated
from multi_llm_comparator.comparison.limits import MAX_PANES
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, MultiLLMError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.ui import preferences
from multi_llm_comparator.ui.actions import inform, perform, warn
from multi_llm_comparator.ui.addressed import AddressedId
from multi_llm_comparator.ui.choices import Choice, targets_of_groups
from multi_llm_comparator.ui.i18n import t
from multi_llm_comparator.ui.planners import is_trained_to_plan
from multi_llm_comparator.ui.workbench import get_workbench

# What makers give recommendations for.
_RECOMMENDED = ("temperature", "top_p", "top_k", "repeat_penalty")
_PANES, _RUN = "compare_panes", AddressedId("run", "compare_run")


def current_run() -> Comparison | None:
    """The run this page shows: the address's, else the one the session had open. An unknown one is said and dropped."""
    run_id = _RUN.read()
    if not run_id:
        return None
    workbench = get_workbench()
    try:
        comparison = workbench.bridge.run(workbench.comparisons.get(run_id))
    except MultiLLMError as exc:
        warn(str(exc))
        leave_run()
        return None
    if _RUN.kept() != comparison.id or _PANES not in st.session_state:
        st.session_state[_PANES] = list(comparison.snapshot().panes)
    show_run(comparison.id)
    return comparison


def show_run(run_id: str) -> None:
    """Keep the run in the session and in the address, so that a reload or a copied address opens it again."""
    _RUN.write(run_id)


def leave_run() -> None:
    """Start afresh with the same panes; the run stays in the history."""
    _RUN.write(None)


def open_run(run_id: str) -> None:
    """Turn to another run, with its panes."""
    st.session_state.pop(_PANES, None)
    _RUN.write(run_id)


def forget_run(run_id: str) -> None:
    """A run was deleted: if this session had it open it is not to be looked for again."""
    if _RUN.kept() == run_id:
        leave_run()


def draft_panes() -> list[Pane]:
    """The panes as they are set up now. At first those used last, else the demo models, else whatever there is."""
    if _PANES not in st.session_state:
        st.session_state[_PANES] = _remembered() or _first_choice()
    panes: list[Pane] = st.session_state[_PANES]
    return panes


def save_draft(panes: Sequence[Pane]) -> None:
    st.session_state[_PANES] = list(panes)


def replace_pane(pane: Pane) -> None:
    save_draft([pane if other.id == pane.id else other for other in draft_panes()])


def add_pane() -> None:
    """One more pane, with a model that no other pane has, if there is one."""
    panes = draft_panes()
    choices = list(pane_choices().values())
    if len(panes) >= MAX_PANES or not choices:
        return
    taken = {pane.target for pane in panes}
    choice = next((c for c in choices if c.target not in taken), choices[0])
    save_draft([*panes, Pane.new(choice.target, recommended(choice.model))])


def remove_pane(pane_id: str) -> None:
    save_draft([pane for pane in draft_panes() if pane.id != pane_id])


def change_model(pane: Pane, choice: Choice) -> None:
    """Another model: what the reader chose stays, the rest is what its makers recommend, and what changed is said."""
    # Its parameters may have been changed since it was drawn.
    pane = next((now for now in draft_panes() if now.id == pane.id), pane)
    changed = pane.with_model(choice.target, recommended_for(pane), recommended(choice.model))
    replace_pane(changed)
    if told := _changes(pane.config, changed.config, choice.model):
        inform(t("setup.changed", model=choice.label, changes="; ".join(told)))


def _changes(before: ModelConfig, after: ModelConfig, model: ModelInfo | None) -> list[str]:
    """What changed by itself with the model, such as "temperature 0.7 → 0.2, as its makers recommend"."""
    theirs = model.config.get("generation") or {} if model else {}
    told: dict[str, list[str]] = {"recommended": [], "usual": []}
    for name in _RECOMMENDED:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            told["recommended" if name in theirs else "usual"].append(f"{t(f'param.{name}')} {old:g} → {new:g}")
    return [t(f"setup.as_{why}", changes=", ".join(changes)) for why, changes in told.items() if changes]


def recommended_for(pane: Pane) -> ModelConfig:
    """The parameters that the pane's model comes with."""
    choice = pane_choices().get(pane.target)
    return recommended(choice.model if choice else None)


def recommended(model: ModelInfo | None) -> ModelConfig:
    """The parameters that a model comes with, as far as they are allowed; the rest as usual."""
    config = ModelConfig()
    for name, value in (model.config.get("generation") or {} if model else {}).items():
        try:
            candidate = replace(config, **{name: value})
            candidate.validate()
        except (MultiLLMError, TypeError):
            continue
        config = candidate
    return config


def loadable_models() -> list[ModelInfo]:
    return [model for model in get_workbench().models.get_available_models() if model.is_loadable]


def pane_choices() -> dict[str, Choice]:
    """All that a pane can ask, by target: the models of this machine by id, then what the task groups' file names."""
    models = loadable_models()
    labels = _distinct_names(models)
    local = {model.id: Choice(model.id, "local", labels[model.id], model) for model in models}
    return local | targets_of_groups()


def _distinct_names(models: Sequence[ModelInfo]) -> dict[str, str]:
    """Names by id; where two models share one, what tells them apart is added."""
    names = [model.name for model in models]
    return {
        model.id: model.name
        if names.count(model.name) == 1
        else f"{model.name} · {model.config.get('quantization') or model.model_type.value} · {model.id}"
        for model in models
    }


def ensure_run(panes: Sequence[Pane]) -> Comparison | None:
    """The open run with these panes, or a new one; None when that was refused, and the reader was told."""
    comparison = current_run()
    workbench = get_workbench()
    if comparison is None:
        comparison = perform(workbench.comparisons.create(panes))
    elif tuple(panes) != comparison.snapshot().panes:
        comparison = comparison if perform(_applied(comparison, panes), comparison.id) else None
    if comparison is not None:
        show_run(comparison.id)
        preferences.update(panes=[pane_document(pane) for pane in panes])
    return comparison


async def _applied(comparison: Comparison, panes: Sequence[Pane]) -> bool:
    await comparison.set_panes(panes)
    return True


def _remembered() -> list[Pane]:
    known = pane_choices()
    panes: list[Pane] = []
    for entry in preferences.load().panes[:MAX_PANES]:
        pane = _pane_of(entry)
        if pane is not None and pane.target in known:
            panes.append(pane)
    return panes


def _pane_of(entry: Any) -> Pane | None:
    try:
        # Other panes by these ids may be on the page already.
        pane = pane_from(validated(PaneDocument, {**entry, "id": Pane.new("").id}, "a remembered pane"))
        pane.config.validate()
    except (TypeError, ConfigurationError, DocumentError):
        return None
    return pane


def _first_choice() -> list[Pane]:
    """Two PyTorch and two GGUF models where there are such, demo models first: the page's own example. Without any
    model here, the first that the task groups' file names."""
    models = sorted(loadable_models(), key=lambda m: ("demo" not in m.name.lower(), m.size))
    # A planner's plan beside answers compares nothing.
    models = [m for m in models if not is_trained_to_plan(m.name)] or models
    chosen = [
        *[m for m in models if m.model_type is ModelType.PYTORCH][:2],
        *[m for m in models if m.model_type is ModelType.GGUF][-2:],
    ]
    chosen += [m for m in models if m not in chosen][: MAX_PANES - len(chosen)]
    if not chosen:
        return [Pane.new(target) for target in list(pane_choices())[:1]]
    return [Pane.new(model.id, recommended(model)) for model in chosen[:MAX_PANES]]
