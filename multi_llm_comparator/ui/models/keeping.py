"""How a loaded model is kept and served: pinned, loaded at the start, unloaded when idle, requests at once."""

from __future__ import annotations

from typing import Any

import streamlit as st

from multi_llm_comparator.core.settings import ModelServing, get_settings, save_settings
from multi_llm_comparator.services.inference_engine import LoadedModel
from multi_llm_comparator.services.slot_tuning import RUNGS
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.workbench import get_workbench, keep_as

# In minutes; None is as for all models, 0 never.
IDLE_CHOICES = (None, 0, 5, 15, 60)


def draw_keeping(model: LoadedModel, key: str) -> None:
    """A small menu beside a loaded model; what is changed holds at once and is written to the settings."""
    target = get_workbench().models.unique_name(model.model_id)
    own = get_settings().model_serving.get(target) or ModelServing()
    with st.popover("", icon=":material/keep:" if own.pinned else ":material/tune:", help=t("keeping.keep_why")):
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
    current = None if own.idle_unload_s is None else own.idle_unload_s / 60
    options = [*IDLE_CHOICES, *([] if current in IDLE_CHOICES else [current])]
    minutes = st.selectbox(
        t("keeping.idle_unload"),
        options,
        options.index(current),
        format_func=_idle_name,
        key=f"keep_idle_{key}",
        disabled=own.pinned,
    )
    return None if minutes is None else minutes * 60


def _idle_name(minutes: float | None) -> str:
    if minutes is None:
        return t("keeping.idle_as_all")
    return t("keeping.idle_minutes", minutes=f"{minutes:g}") if minutes else t("keeping.idle_never")


def _draw_slots(model: LoadedModel, own: ModelServing, key: str) -> int | None:
    options = [None, *RUNGS, *([] if own.slots in (None, *RUNGS) else [own.slots])]

    def name(slots: int | None) -> str:
        return t("keeping.slots_auto", slots=model.slots) if slots is None else str(slots)

    slots = st.selectbox(
        t("keeping.slots"),
        options,
        options.index(own.slots),
        format_func=name,
        key=f"keep_slots_{key}",
        help=t("keeping.slots_why"),
    )
    if model.speeds:
        rates = " · ".join(f"{rows}: {say.count(round(rate))}" for rows, rate in model.speeds.items())
        st.caption(t("keeping.speeds", rates=rates))
    return slots


def _save(target: str, own: ModelServing) -> None:
    kept = {**get_settings().model_serving, target: own}
    written = {name: one.model_dump(exclude_defaults=True) for name, one in kept.items()}
    changes = {"model_serving": {name: one for name, one in written.items() if one}}
    if (settings := attempt(lambda: save_settings(changes))) is not None:
        keep_as(settings)
