"""Everything known about one model before it is loaded, and what loading it would take."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from multi_llm_comparator.conversion.provenance import origin_of
from multi_llm_comparator.core.config import MAX_CONTEXT, MIN_CONTEXT
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.evaluation.export_check import read_check
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import button, main_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import fact_name, facts, problem
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.models.convert import ask_to_convert
from multi_llm_comparator.ui.models.lineage import draw_lineage
from multi_llm_comparator.ui.models.memory_view import begin_load, estimate_of, memory_bar
from multi_llm_comparator.ui.models.own_words import draw_files, draw_note
from multi_llm_comparator.ui.models.past_speeds import draw_past_speeds
from multi_llm_comparator.ui.models.ways_on import draw_ways_on
from multi_llm_comparator.workbench import get_workbench

_ASKED = "models_details"
_MAX_FILES = 8
# Shown in a place of their own, or of use only to the estimate.
_HIDDEN = frozenset(
    {
        "problem",
        "warnings",
        "files",
        "generation",
        "chat_template",
        "weight_bytes",
        "kv_bytes_per_token",
        "heads",
        "lineage",
        "is_adapter",
        "adapter_problem",
        "is_projector",
        "projector",
        "sees_images",
        "names_tools",
        "may_see",
        "projection_size",
        "projector_bytes",
        "source_fingerprint",
    }
)


def ask_for_details(model_id: str) -> None:
    st.session_state[_ASKED] = model_id


def draw_details() -> None:
    """The dialog about a model, if one was asked for."""
    model = get_workbench().models.get_model_by_id(st.session_state.get(_ASKED, ""))
    if model is None:
        return

    @st.dialog(plain(model.name), width="medium", on_dismiss=_look_away)
    def dialog() -> None:
        if model.problem:
            st.html(problem(t("models.cannot_load"), model.problem))
        for warning in model.config.get("warnings") or ():
            st.warning(plain(warning))
        if model.is_loadable:
            _draw_memory(model)
            draw_ways_on(model, _convert)
        draw_note(model)
        draw_past_speeds(model)
        draw_lineage(model)
        st.html(facts(_facts(model)))
        draw_files(model)

    dialog()


def _convert(model: ModelInfo) -> None:
    _look_away()
    ask_to_convert(model.id)
    st.rerun()


def _look_away() -> None:
    st.session_state.pop(_ASKED, None)


def _draw_memory(model: ModelInfo) -> None:
    """What it would take beside what is loaded, for the context chosen, and the button that loads it."""
    engine = get_workbench().engine
    loaded = engine.loaded_models()
    is_loaded = any(other.model_id == model.loaded_as.id for other in loaded)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        n_ctx = int(
            st.number_input(
                t("param.n_ctx"),
                MIN_CONTEXT,
                MAX_CONTEXT,
                recommended(model).n_ctx,
                256,
                key=f"models_ctx_{model.id}",
                width=180,
            )
        )
        if main_button("models.load", icon="bolt", key=f"models_load_{model.id}"):
            begin_load(model, n_ctx)
            _look_away()
            st.rerun()
        if is_loaded and button("models.unload", icon="eject", key=f"models_unload_{model.id}"):
            perform(engine.unload(model.id))
            st.rerun(scope="fragment")
    estimate = estimate_of(model, n_ctx)
    st.html(memory_bar(loaded, (model, estimate)))
    st.caption(
        t(
            "models.estimate",
            total=say.size(estimate.total_bytes),
            weights=say.size(estimate.weights_bytes),
            context=say.size(estimate.kv_cache_bytes),
            overhead=say.size(estimate.overhead_bytes),
        )
    )


def _facts(model: ModelInfo) -> list[tuple[str, str]]:
    known = model.config
    rows = [
        (t("models.fact_id"), model.id),
        (t("models.fact_path"), model.path),
        (t("models.column_size"), say.size(model.size)),
    ]
    if model.is_loadable and (origin := origin_of(Path(model.path))):
        rows.append((t("models.fact_made_from"), t("models.made_from", name=origin.name, through=origin.through)))
    if check := read_check(Path(model.path)):
        agreed = t("models.checked_text", agreed=f"{check.top1_agreement:.1%}", kl=f"{check.mean_kl:.2g}")
        rows.append((t("models.checked"), f"{agreed} ({check.reference})"))
    if model.adapters:
        rows.append((t("models.adapters"), ", ".join(model.adapters[:_MAX_FILES])))
    if known.get("sees_images"):
        by = f" ({Path(known['projector']).name})" if known.get("projector") else ""
        rows.append((t("images.sees"), t("models.yes") + by))
    if "chat_template" in known:
        rows.append(
            (t("models.column_template"), t("models.yes") if known["chat_template"] else t("setup.no_template_why"))
        )
    for name, value in known.items():
        if name not in _HIDDEN and value not in (None, "", [], {}):
            rows.append((fact_name(name), _plain(value)))
    if recommended := known.get("generation"):
        rows.append((t("models.fact_recommended"), ", ".join(f"{k} {v}" for k, v in recommended.items())))
    files = [Path(file).name for file in known.get("files") or ()]
    if files:
        more = f" … (+{len(files) - _MAX_FILES})" if len(files) > _MAX_FILES else ""
        rows.append((t("models.fact_files"), ", ".join(files[:_MAX_FILES]) + more))
    return rows


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return t("models.yes") if value else t("models.no")
    return f"{value:,}" if isinstance(value, int) else str(value)
