"""A starter list: well-known small models by their names on the Hub, whether they fit, and one click to fetch one."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.services.starters import Starter, starters
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform, show_notices
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.choices import type_name
from multi_llm_comparator.ui.kit.html_pieces import note_chip
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.models.downloads import LOOK_UP_TIMEOUT_S
from multi_llm_comparator.ui.models.fit import fit_chip
from multi_llm_comparator.workbench import get_workbench


def draw_starter_list() -> None:
    """The list behind a heading, with sizes that are said to be about right."""
    with st.expander(
        t("starter.title"), icon=":material/rocket_launch:", key="models_starters", on_change="rerun"
    ) as box:
        if not box.open:
            return
        st.caption(t("starter.why"))
        for number, starter in enumerate(starters()):
            _draw_row(starter, number)


def _draw_row(starter: Starter, number: int) -> None:
    workbench = get_workbench()
    with st.container(horizontal=True, vertical_alignment="center", key=f"models_starter_{number}", wrap=False):
        st.html(_row(starter), width="stretch")
        arriving = any(download.listing.repo_id == starter.repo_id for download in workbench.hub.running)
        if starter.place(workbench.settings.models_dir).exists():
            st.html(note_chip(t("starter.here"), "", STATE_TONES["done"]), width="content")
        elif arriving:
            st.html(note_chip(t("starter.arriving"), "", STATE_TONES["running"]), width="content")
        elif button("download.start", icon="download", key=f"models_starter_get_{number}"):
            _fetch(starter)


def _fetch(starter: Starter) -> None:
    """Ask the Hub for the file and begin; offline the reader is told so."""

    async def look_up_and_start() -> bool:
        hub = get_workbench().hub
        listing = await hub.look_up(starter.repo_id)
        hub.start(listing, starter.choice_in(listing))
        return True

    with st.spinner(t("download.asking")):
        started = perform(look_up_and_start(), timeout_s=LOOK_UP_TIMEOUT_S)
    if started:
        st.rerun()
    show_notices()


def _row(starter: Starter) -> str:
    facts = (
        type_name(starter.model.model_type),
        t("starter.parameters", n=say.parameters(starter.parameters)),
        t("starter.size", size=say.size(starter.size_bytes)),
        starter.licence,
    )
    return (
        f'<div class="mlc-run"><span><b>{escape(starter.model.name)}</b> {fit_chip(starter.model)}</span>'
        f"<span>{escape(t(f'starter.{starter.good_for}'))}</span>"
        f'<span class="mlc-muted">{escape(" · ".join(facts))} · {escape(starter.repo_id)}</span></div>'
    )
