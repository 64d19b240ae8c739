"""The pages, their names and addresses, and how to get from one to another."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import streamlit as st

from multi_llm_comparator.core.shipped import ROOT
from multi_llm_comparator.ui.kit.actions import warn
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.kit.visitor import offers

_FOLDER = ROOT / "pages"
_VISITS = "app_visits"
_ICONS = {
    "compare": ":material/view_column:",
    "vote": ":material/how_to_vote:",
    "plans": ":material/account_tree:",
    "cooperate": ":material/diversity_3:",
    "services": ":material/lab_profile:",
    "tune": ":material/model_training:",
    "measure": ":material/straighten:",
    "models": ":material/deployed_code:",
    "groups": ":material/hub:",
    "history": ":material/history:",
    "usage": ":material/monitoring:",
    "settings": ":material/settings:",
}


def page_names() -> tuple[str, ...]:
    return tuple(_ICONS)


def page_scripts() -> list[Path]:
    """The script of each page, in the order of the menu."""
    return [_FOLDER / f"{name}.py" for name in _ICONS]


def pages() -> dict[str, st.Page]:
    """The pages that the visitor is offered by name, with titles in the reader's language."""
    return {
        name: st.Page(
            _FOLDER / f"{name}.py", title=t(f"nav.{name}"), icon=icon, url_path=name, default=name == "compare"
        )
        for name, icon in _ICONS.items()
        if offers(name)
    }


def go_to(name: str, **query: str) -> NoReturn:
    """Leave this page for another; where the visitor is not offered that one, this page says so."""
    if not offers(name):
        warn(t("workspace.not_offered", page=t(f"nav.{name}")))
        st.rerun()
    st.session_state[_VISITS] = visits() + 1
    st.switch_page(pages()[name], query_params=query)


def visits() -> int:
    """How often this session went from one page to another by a button."""
    return int(st.session_state.get(_VISITS, 0))
