"""The model that came out of a job, as the other pages know it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from multi_llm_comparator.conversion.convert import possible_targets
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.ui.compare.state import loadable_models
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.html_pieces import problem
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.models.convert import ask_to_convert
from multi_llm_comparator.ui.plans.targets import target_of
from multi_llm_comparator.ui.tune.again import options_of
from multi_llm_comparator.workbench import get_workbench, scan_again

# What can be asked: an adapter on its base, or a checkpoint with it merged in.
_KINDS = ("adapter", "checkpoint")


@dataclass(frozen=True)
class Tuned:
    """``model`` is what came out, ``base`` what it began as, where that is still here; ``target`` is its name."""

    model: ModelInfo
    base: ModelInfo | None
    target: str


def tuned_of(job: JobSnapshot) -> Tuned | None:
    """The tuned model; None while none was found. What a job has just made is looked for once."""
    paths = [Path(a.path) for kind in _KINDS for a in job.artefacts if a.kind == kind]
    options = options_of(job)
    if not paths or options is None:
        return None
    began_as = Path(options.model_path)
    found = _made(paths, began_as)
    looked_for = f"{job.id}_{job.attempt}_{len(paths)}"
    if found is None and st.session_state.get("tune_looked_for") != looked_for:
        st.session_state["tune_looked_for"] = looked_for
        scan_again()
        found = _made(paths, began_as)
    if found is None:
        return None
    base = next((m for m in _models() if m.base is None and is_at(m, began_as)), None)
    return Tuned(found, base, target_of(found, loadable_models()))


def _models() -> list[ModelInfo]:
    return get_workbench().models.get_available_models()


def _made(paths: list[Path], began_as: Path) -> ModelInfo | None:
    """What is in the first of these folders that has a model. An adapter is listed on every form of its base: the one
    on what it was tuned from, else any."""
    for path in paths:
        here = [model for model in _models() if is_at(model, path)]
        on_its_base = [model for model in here if model.base is not None and is_at(model.base, began_as)]
        if here:
            return (on_its_base or here)[0]
    return None


def is_at(model: ModelInfo, path: Path) -> bool:
    """Whether this is where a model lies, whatever links lead there."""
    return Path(model.path) == path or Path(model.path).resolve() == path.resolve()


def draw_export(tuned: Tuned) -> None:
    """Forms that the tuned model can be made into; each opens the conversion on the Models page."""
    with st.popover(t("tune.export"), icon=":material/ios_share:", key="tune_export", on_change="rerun") as box:
        if not box.open:
            return
        if not tuned.model.is_loadable:
            st.html(problem(t("models.cannot_load"), tuned.model.problem or ""))
            return
        st.caption(t("tune.export_why"))
        if button(
            "tune.export_choose",
            icon="swap_horiz",
            key="tune_export_choose",
            disabled=not possible_targets(tuned.model),
            width="stretch",
        ):
            ask_to_convert(tuned.model.id)
            go_to("models")
        st.html(f'<div class="mlc-muted">{t("tune.export_place")}</div>')
        st.code(tuned.model.path, language=None, wrap_lines=True)
