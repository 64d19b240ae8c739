"""Named sets of parameters: apply, save, delete, and carry from one machine to another."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.presets import MAX_FILE_BYTES, MAX_NAME_CHARS, Presets
from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, inform, warn
from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.taking_files import draw_upload

# Puts parameters into a pane; the names are of those that were chosen.
Take = Callable[[ModelConfig, frozenset[str]], None]


def draw_presets(pane: Pane, take: Take, key: str) -> None:
    """The presets' corner of a pane's parameters."""
    presets = Presets()
    known = attempt(presets.list) or []
    if known:
        _draw_choice(presets, [preset.name for preset in known], pane, take, key)
    else:
        st.caption(t("preset.none"))
    _draw_save(presets, pane, key)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if known:
            st.download_button(
                t("preset.export"),
                data=presets.export,
                file_name="presets.json",
                mime="application/json",
                icon=":material/download:",
                key=f"{key}_preset_export",
                on_click="ignore",
                type="tertiary",
            )
    draw_upload("preset.import", ["json"], MAX_FILE_BYTES, _import, key=f"{key}_preset_import")


def _draw_choice(presets: Presets, names: list[str], pane: Pane, take: Take, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        chosen = st.selectbox(t("preset.choose"), names, key=f"{key}_preset")
        if main_button("preset.apply", key=f"{key}_preset_apply"):
            preset = attempt(lambda: presets.load(chosen))
            if preset is not None:
                take(preset.apply(pane.config), frozenset(preset.parameters))
                inform(t("preset.applied", name=chosen))
            st.rerun()
        if quiet_button("preset.delete", icon="delete", key=f"icon_preset_delete_{key}"):
            attempt(lambda: presets.delete(chosen))
            inform(t("preset.deleted", name=chosen))
            st.rerun()


def _draw_save(presets: Presets, pane: Pane, key: str) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        name = st.text_input(
            t("preset.name"), key=f"{key}_preset_name", max_chars=MAX_NAME_CHARS, placeholder=t("preset.name_example")
        )
        if button("preset.save", key=f"{key}_preset_save", disabled=not name.strip()):
            saved = attempt(lambda: presets.save(name, pane.config))
            if saved is not None:
                inform(t("preset.saved", name=saved.name))
            st.rerun()


def _import(name: str, data: bytes) -> None:
    if len(data) > MAX_FILE_BYTES:
        warn(t("preset.too_large", limit=say.size(MAX_FILE_BYTES)))
    elif (names := attempt(lambda: Presets().import_(data))) is not None:
        inform(tn("preset.imported", len(names)))
