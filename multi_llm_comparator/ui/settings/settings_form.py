"""The settings of the workbench that a person changes: where models are, how much memory they may take, bounds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from multi_llm_comparator.core.settings import Settings, get_settings, save_settings, settings_path
from multi_llm_comparator.ui.kit.actions import attempt, inform
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import LANGUAGES, choose_language, current_language, t, tm
from multi_llm_comparator.ui.kit.mlflow_button import follow_mlflow
from multi_llm_comparator.workbench import apply_settings, get_workbench

PLACES = ("scan_hf_cache", "scan_ollama", "scan_lm_studio")
SHIPPED = ("first_model", "demo_groups")
MODES = ("auto", "parallel", "in_turn", "one_at_a_time")


def draw_language() -> None:
    chosen = st.segmented_control(
        t("settings.language"),
        list(LANGUAGES),
        default=current_language(),
        required=True,
        format_func=LANGUAGES.__getitem__,
        key=f"settings_language_{current_language()}",
    )
    if chosen and chosen != current_language():
        choose_language(chosen)
        st.rerun()


def draw_form() -> None:
    """One form, so that nothing changes before it is saved; a wrong value is said and nothing is written."""
    settings = get_settings()
    with st.form("settings_form", border=False):
        changes = _draw_places(settings) | _draw_memory(settings) | _draw_bounds(settings) | _draw_shipped(settings)
        changes |= _draw_records(settings)
        if st.form_submit_button(t("settings.save"), type="primary", key="settings_save"):
            if attempt(lambda: save_settings(changes)) is not None:
                apply_settings()
                inform(t("settings.saved"))
            st.rerun()
    if settings.mlflow_uri:
        follow_mlflow(settings.mlflow_uri, "settings")
    st.caption(tm("settings.where", path=str(settings_path())))


def _draw_places(settings: Settings) -> dict[str, Any]:
    st.subheader(t("settings.places"), anchor=False)
    st.caption(tm("settings.models_dir", path=str(settings.models_dir.absolute())))
    folders = [str(folder) for folder in settings.extra_model_dirs]
    chosen = st.multiselect(
        t("settings.extra_dirs"),
        folders,
        folders,
        accept_new_options=True,
        key="settings_extra_dirs",
        placeholder=t("settings.extra_dirs_example"),
    )
    places = {
        name: st.toggle(t(f"settings.{name}"), getattr(settings, name), key=f"settings_{name}") for name in PLACES
    }
    return {"extra_model_dirs": [str(Path(folder).expanduser()) for folder in chosen], **places}


def _draw_shipped(settings: Settings) -> dict[str, Any]:
    st.subheader(t("settings.shipped"), anchor=False)
    return {
        name: st.toggle(
            t(f"settings.{name}"), getattr(settings, name), key=f"settings_{name}", help=t(f"settings.{name}_why")
        )
        for name in SHIPPED
    }


def _draw_memory(settings: Settings) -> dict[str, Any]:
    st.subheader(t("settings.memory"), anchor=False)
    limit = st.number_input(
        t("settings.max_memory_gb"),
        0.1,
        100_000.0,
        settings.max_memory_gb,
        1.0,
        format="%.1f",
        key="settings_max_memory_gb",
        placeholder=t("settings.max_memory_auto"),
        help=t("settings.max_memory_why"),
    )
    mode = st.radio(
        t("settings.memory_mode"),
        MODES,
        MODES.index(settings.memory_mode),
        format_func=lambda name: t(f"settings.mode_{name}"),
        captions=[t(f"settings.mode_{name}_why") for name in MODES],
        key="settings_memory_mode",
    )
    return {"max_memory_gb": limit, "memory_mode": mode}


def _draw_bounds(settings: Settings) -> dict[str, Any]:
    st.subheader(t("settings.bounds"), anchor=False)
    limit = st.number_input(
        t("settings.max_tokens_limit"),
        1,
        1_000_000,
        settings.max_tokens_limit,
        512,
        key="settings_max_tokens_limit",
        help=t("settings.max_tokens_limit_why"),
    )
    return {"max_tokens_limit": int(limit)}


def _draw_records(settings: Settings) -> dict[str, Any]:
    st.subheader(t("settings.records"), anchor=False)
    uri = st.text_input(
        t("settings.mlflow_uri"),
        settings.mlflow_uri,
        max_chars=2048,
        key="settings_mlflow_uri",
        placeholder=t("settings.mlflow_uri_example"),
        help=t("settings.mlflow_uri_why"),
    )
    feed = get_workbench().mlflow
    if feed is not None and feed.problem:
        st.warning(plain(feed.problem), icon=":material/warning:")
    return {"mlflow_uri": uri.strip()}
