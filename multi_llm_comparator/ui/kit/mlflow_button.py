"""One button for MLflow's own pages, wherever runs are told to it."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.mlflow_pages import MlflowPages
from multi_llm_comparator.tracking.mlflow_log import local_uri, shown_uri
from multi_llm_comparator.ui.kit.actions import attempt, show_notices
from multi_llm_comparator.ui.kit.buttons import button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tm

LOCAL = "local"
POLL_S = 2.0


@st.cache_resource(show_spinner=False)
def _pages(uri: str) -> MlflowPages:
    return MlflowPages(uri, get_settings().home)


def draw_mlflow(said: str, key: str) -> None:
    """Start the pages over an address as options say it, then a link to them; nothing where there is no address.

    Whoever draws this draws it again while they start.
    """
    if not said:
        return
    uri = local_uri(get_settings().home) if said == LOCAL else said
    pages = _pages(uri)
    state = pages.state
    if state == "running":
        # Whoever may see the page is not shown the password that runs are told with.
        st.link_button(
            t("mlflow.open"), shown_uri(pages.address), icon=":material/open_in_new:", help=plain(shown_uri(uri))
        )
        return
    if state == "starting":
        st.html(f'<div class="mlc-waiting">{escape(t("mlflow.starting"))}</div>')
        return
    if state == "failed":
        st.warning(tm("mlflow.failed", said=pages.problem), icon=":material/warning:")
    button("mlflow.start", attempt, pages.start, icon="monitoring", key=f"mlflow_{key}", why=True)


@st.fragment(run_every=POLL_S)
def follow_mlflow(said: str, key: str) -> None:
    """The same on a page that does not draw itself again."""
    show_notices()
    draw_mlflow(said, key)
