"""Which model is tuned: PyTorch checkpoints of this machine; of other models, why not."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import streamlit as st

from multi_llm_comparator.conversion.convert import possible_targets
from multi_llm_comparator.conversion.first_forms import form_path
from multi_llm_comparator.conversion.gguf_import import DTYPES
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.ui.compare.state import loadable_models
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import detail, model_label
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.models.convert import ask_to_convert
from multi_llm_comparator.ui.plans.planners import is_trained_to_plan
from multi_llm_comparator.ui.tune.state import change_draft, current_draft, draft_revision
from multi_llm_comparator.workbench import get_workbench

_SMALL_DEMO = "demo-small"
MAX_LISTED = 12


def tunable_models() -> list[ModelInfo]:
    """PyTorch checkpoints whose weights can be read here, the smallest first."""
    found = [
        m for m in loadable_models() if m.model_type is ModelType.PYTORCH and Path(m.path).is_dir() and m.base is None
    ]
    return sorted(found, key=lambda m: (m.size, m.name))


def first_base(models: Sequence[ModelInfo]) -> ModelInfo | None:
    """The real model of the first minute, else the small demo model, else the smallest that answers questions."""
    first = form_path(get_workbench().settings.models_dir, "bfloat16")
    for wanted in (lambda m: Path(m.path) == first, lambda m: m.name == _SMALL_DEMO):
        if found := next(filter(wanted, models), None):
            return found
    answering = [m for m in models if not is_trained_to_plan(m.name)]
    return next(iter(answering or models), None)


def current_base() -> ModelInfo | None:
    """The model that the draft names; the first choice where it names none, or one that is gone."""
    models = tunable_models()
    wanted = current_draft().base
    return next((m for m in models if m.id == wanted), None) or first_base(models)


def draw_base() -> None:
    """The picker, what is known of the model, and what is not offered."""
    models = tunable_models()
    base = current_base()
    if base is None:
        st.html(f'<div class="mlc-waiting">{escape(t("tune.no_base"))}</div>')
    else:
        by_id = {m.id: m for m in models}
        key = f"tune_base_{draft_revision()}"
        st.selectbox(
            t("tune.base"),
            list(by_id),
            list(by_id).index(base.id),
            key=key,
            format_func=lambda id_: plain(_label(by_id[id_])),
            label_visibility="collapsed",
            on_change=lambda: change_draft(base=st.session_state[key]),
        )
        st.html(_facts(base))
    _draw_others()


def _label(model: ModelInfo) -> str:
    return " · ".join((model.name, say.parameters(model.config.get("parameters")), say.size(model.size)))


def _facts(model: ModelInfo) -> str:
    known = model.config
    said = [
        model_label(model.name, tone_of(model.id)),
        detail(str(known.get("architecture") or say.NOTHING), t("models.column_architecture")),
        detail(t("tune.context_n", n=say.context(known.get("context_length"))), t("models.column_context")),
    ]
    if not known.get("chat_template"):
        said.append(detail(t("tune.no_template"), t("setup.no_template_why")))
    return f'<div class="mlc-details">{"".join(said)}</div>'


def _draw_others() -> None:
    """GGUF models, and what makes a PyTorch checkpoint of one."""
    others = [m for m in loadable_models() if m.model_type is ModelType.GGUF and m.base is None]
    if not others:
        return
    with st.popover(tn("tune.not_tunable", len(others)), type="tertiary", key="tune_others", on_change="rerun") as box:
        if not box.open:
            return
        st.caption(t("tune.not_tunable_why"))
        for model in others[:MAX_LISTED]:
            with st.container(horizontal=True, vertical_alignment="center", key=f"tune_other_{model.id}"):
                st.html(model_label(_label(model), tone_of(model.id)), width="stretch")
                if any(target in DTYPES for target in possible_targets(model)) and quiet_button(
                    "tune.to_pytorch", icon="swap_horiz", key=f"tune_convert_{model.id}"
                ):
                    ask_to_convert(model.id)
                    go_to("models")
        if len(others) > MAX_LISTED:
            st.caption(tn("tune.more_models", len(others) - MAX_LISTED))
