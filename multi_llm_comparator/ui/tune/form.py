"""What form the data has, and why; where it has none of the known ones, which columns are what."""

from __future__ import annotations

from functools import partial

import streamlit as st

from multi_llm_comparator.training.data.detection import Detection
from multi_llm_comparator.training.data.spec import ColumnMapping
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import note_chip
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.tune.data_work import Inspected
from multi_llm_comparator.ui.tune.mapping import draw_mapping, guessed
from multi_llm_comparator.ui.tune.pieces import named_briefly, note_text
from multi_llm_comparator.ui.tune.state import change_draft, current_draft

MAX_NOTES = 5


def draw_form(found: Inspected) -> bool:
    """Say what was recognised, or have columns chosen; whether rows can be read so."""
    detection, mapping = found.detection, current_draft().mapping
    if detection.needs_mapping and mapping is None:
        # What the names of the columns say is a beginning.
        change_draft(mapping=guessed(detection.columns, found.first_row) or ColumnMapping())
        st.rerun()
    if mapping is None:
        _draw_recognised(detection)
    else:
        if not detection.usable:
            st.info(tm("tune.needs_mapping", looked_at=detection.looked_at), icon=":material/table:")
        else:
            st.html(_chips("form_mapped", detection))
        draw_mapping(detection.columns)
        quiet_button("tune.map_back", partial(change_draft, mapping=None), icon="auto_awesome", key="tune_map_back")
    for note in found.notes[:MAX_NOTES]:
        st.caption(plain(named_briefly(note_text(note))))
    return detection.usable > 0


def _draw_recognised(detection: Detection) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="tune_form"):
        st.html(_chips(f"form_{detection.format}", detection))
        quiet_button("tune.map_anyway", _map, detection, icon="table", key="tune_map_anyway")
    if detection.is_preference and current_draft().changes.get("method") != "dpo":
        with st.container(horizontal=True, vertical_alignment="center", key="tune_is_preference"):
            st.info(t("tune.is_preference"), icon=":material/thumbs_up_down:", width="stretch")
            button("tune.use_dpo", _use_dpo, key="tune_use_dpo")


def _chips(name: str, detection: Detection) -> str:
    words = t("tune.found_in", matched=f"{detection.matched:,}", looked_at=f"{detection.looked_at:,}")
    chip = note_chip(t(f"tune.{name}"), said(detection.reason), STATE_TONES["done"])
    return f'<div class="mlc-models">{chip}<span class="mlc-muted">{words}</span></div>'


def _map(detection: Detection) -> None:
    change_draft(mapping=guessed(detection.columns) or ColumnMapping())


def _use_dpo() -> None:
    change_draft(changes={**current_draft().changes, "method": "dpo"})
