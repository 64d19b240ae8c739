"""What is in memory now, and what one more model would take."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.core.recommended import recommended
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.devices import same_memory
from multi_llm_comparator.services.loaded_model import LoadedModel
from multi_llm_comparator.services.memory_manager import MemoryEstimate
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform, show_notices, warn
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import model_label, moment, note_chip
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.palette import STATE_TONES, model_tone
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.models.keeping import draw_keeping
from multi_llm_comparator.workbench import get_workbench

REFRESH_S = 1.5
_LOADING = "models_loading"


@st.fragment(run_every=REFRESH_S)
def draw_loaded() -> None:
    """The models in memory with what they hold and do, renewed every moment."""
    _report_loads()
    show_notices()
    loaded = get_workbench().engine.loaded_models()
    with st.container(border=True, key="models_loaded"):
        st.html(memory_bar(loaded))
        if not loaded:
            st.caption(t("models.none_loaded"))
        for model in loaded:
            _draw_loaded_model(model)
        if waiting := get_workbench().engine.waiting():
            who = ", ".join(f"{name}: {say.count(number)}" for name, number in waiting.items())
            st.caption(t("keeping.waiting", who=plain(who)))


def _draw_loaded_model(model: LoadedModel) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key=f"loaded_{_safe(model.key)}", wrap=False):
        st.html(_loaded_row(model), width="stretch")
        draw_keeping(model, _safe(model.key))
        if quiet_button(
            "models.unload",
            icon="eject",
            key=f"models_unload_{_safe(model.key)}",
            help=t("models.unload_why") if model.active else None,
        ):
            perform(get_workbench().engine.unload(model.model_id))
            st.rerun()


def _safe(key: str) -> str:
    """A resident's key holds all its options; a short name does for a widget."""
    return f"{abs(hash(key)):x}"


def _loaded_row(model: LoadedModel) -> str:
    tone = model_tone(model.model_id)
    if model.state == "loading":
        doing = note_chip(t("models.loading"), "", STATE_TONES["loading"])
    elif model.state == "failed":
        doing = note_chip(t("models.failed"), "", STATE_TONES["failed"])
    elif model.active:
        doing = note_chip(tn("models.busy", model.active), "", STATE_TONES["running"])
    else:
        since = model.idle_since
        idle = moment(since, now(), st.context.timezone) if since else ""
        doing = f'{note_chip(t("models.idle"), "", STATE_TONES["queued"])} <span class="mlc-muted">{idle}</span>'
    held = (
        say.size(model.memory_bytes) if model.memory_bytes else t("models.about", size=say.size(model.estimated_bytes))
    )
    facts = f"{held} · {say.device(model.device)} · {t('models.context', tokens=say.count(model.options.n_ctx))}"
    process = escape(t("models.process", pid=model.pid or say.NOTHING))
    return (
        f'<div class="mlc-models"><b>{model_label(model.name, tone)}</b>{doing}'
        f'<span class="mlc-muted" title="{process}">{escape(facts)}</span></div>'
        + "".join(f'<div class="mlc-muted">{escape(said(note))}</div>' for note in model.info.get("notes", ()))
    )


def memory_bar(loaded: list[LoadedModel], planned: tuple[ModelInfo, MemoryEstimate] | None = None) -> str:
    """A bar as long as the limit: each loaded model in its colour, the planned one hatched."""
    device = planned[1].device if planned else "cpu"
    limit = get_workbench().engine.memory_manager.limit_bytes(device)
    pieces: list[str] = []
    held = 0
    for model in (m for m in loaded if same_memory(m.device, device)):
        n_bytes = model.memory_bytes or model.estimated_bytes
        held += n_bytes
        pieces.append(_piece(n_bytes / limit, model_tone(model.model_id).css, f"{model.name}: {say.size(n_bytes)}"))
    if planned:
        model_info, estimate = planned
        label = t("models.would_take", name=model_info.name, size=say.size(estimate.total_bytes))
        pieces.append(_piece(estimate.total_bytes / limit, model_tone(model_info.id).css, label, "mlc-planned"))
    words = t("models.memory_line", held=say.size(held), limit=say.size(limit), device=say.device(device))
    return f'<div class="mlc-memory">{"".join(pieces)}</div><div class="mlc-muted">{escape(words)}</div>'


def _piece(share: float, css: str, label: str, kind: str = "") -> str:
    width = 100 * min(1.0, share)
    return f'<span class="{kind}" style="width:{width:.2f}%;--tone:{css}" title="{escape(label)}"></span>'


def estimate_of(model: ModelInfo, n_ctx: int) -> MemoryEstimate:
    workbench = get_workbench()
    options = LoadOptions(n_ctx=n_ctx, parallel=workbench.settings.parallel_requests)
    return workbench.engine.memory_manager.estimate(model, options)


def begin_load(model: ModelInfo, n_ctx: int) -> None:
    """Start loading; the list of loaded models shows how it goes, and a failure is said when it comes."""
    workbench = get_workbench()
    config = recommended(model)
    config.n_ctx = n_ctx
    pending = st.session_state.setdefault(_LOADING, {})
    pending[model.id] = workbench.bridge.submit(workbench.engine.load(model.id, config))


def _report_loads() -> None:
    pending = st.session_state.get(_LOADING, {})
    for model_id, future in list(pending.items()):
        if future.done():
            del pending[model_id]
            if not future.cancelled() and (error := future.exception()) is not None:
                warn(str(error))
