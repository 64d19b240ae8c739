"""How a loaded model is kept and served: pinned, loaded at the start, unloaded when idle, requests at once."""

from __future__ import annotations

from typing import Any

import streamlit as st

from multi_llm_comparator.core.settings import ModelServing, get_settings
from multi_llm_comparator.services.keeping import save_keeping
from multi_llm_comparator.services.loaded_model import LoadedModel
from multi_llm_comparator.services.slot_tuning import RUNGS
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.workbench import get_workbench, keep_as

# In minutes; 0 is never. A list shows None as nothing chosen, so what is left to the settings has a sign of its own.
IDLE_CHOICES = (0, 5, 15, 60)
UNSET = -1


def draw_keeping(model: LoadedModel, key: str) -> None:
    """A small menu beside a loaded model; what is changed holds at once and is written to the settings."""
    target = get_workbench().models.unique_name(model.model_id)
    own = get_settings().model_serving.get(target) or ModelServing()
    icon = ":material/keep:" if own.pinned else ":material/tune:"
    with st.popover(t("keeping.keep_why"), icon=icon, key=f"icon_keep_{key}", help=t("keeping.keep_why")):
        chosen: dict[str, Any] = {
            "pinned": st.toggle(t("keeping.pinned"), own.pinned, key=f"keep_pin_{key}", help=t("keeping.pinned_why")),
            "at_start": st.toggle(t("keeping.at_start"), own.at_start, key=f"keep_start_{key}"),
            "idle_unload_s": _draw_idle(own, key),
            "slots": _draw_slots(model, own, key),
        }
    if chosen != own.model_dump():
        _save(target, ModelServing(**chosen))
        st.rerun(scope="fragment")


def _draw_idle(own: ModelServing, key: str) -> float | None:
    current = UNSET if own.idle_unload_s is None else own.idle_unload_s / 60
    options = list(dict.fromkeys((UNSET, *IDLE_CHOICES, current)))
    minutes = st.selectbox(
        t("keeping.idle_unload"),
        options,
        options.index(current),
        format_func=_idle_name,
        key=f"keep_idle_{key}",
        disabled=own.pinned,
    )
    return None if minutes == UNSET else minutes * 60


def _idle_name(minutes: float) -> str:
    if minutes == UNSET:
        return t("keeping.idle_as_all")
    return t("keeping.idle_minutes", minutes=f"{minutes:g}") if minutes else t("keeping.idle_never")


def _draw_slots(model: LoadedModel, own: ModelServing, key: str) -> int | None:
    current = own.slots or UNSET
    options = list(dict.fromkeys((UNSET, *RUNGS, current)))

    def name(slots: int) -> str:
        return t("keeping.slots_auto", slots=model.slots) if slots == UNSET else str(slots)

    slots = st.selectbox(
        t("keeping.slots"),
        options,
        options.index(current),
        format_func=name,
        key=f"keep_slots_{key}",
        help=t("keeping.slots_why"),
    )
    if model.speeds:
        rates = " · ".join(f"{rows}: {say.count(round(rate))}" for rows, rate in model.speeds.items())
        st.caption(tm("keeping.speeds", rates=rates))
    return None if slots == UNSET else slots


def _save(target: str, own: ModelServing) -> None:
    if (settings := attempt(lambda: save_keeping(target, own))) is not None:
        keep_as(settings)
