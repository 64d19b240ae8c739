"""The pages, their names and addresses, and how to get from one to another."""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

from multi_llm_comparator.core.shipped import ROOT
from multi_llm_comparator.ui.kit.i18n import t

_FOLDER = ROOT / "pages"
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


def pages() -> dict[str, st.Page]:
    """All pages by name, with titles in the reader's language."""
    return {
        name: st.Page(
            _FOLDER / f"{name}.py", title=t(f"nav.{name}"), icon=icon, url_path=name, default=name == "compare"
        )
        for name, icon in _ICONS.items()
    }


def go_to(name: str, **query: str) -> NoReturn:
    """Leave this page for another."""
    st.switch_page(pages()[name], query_params=query)
