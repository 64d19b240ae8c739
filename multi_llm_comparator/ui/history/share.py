"""A run for others: as a bundle that can be run again, or by a link that shows it and nothing else."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlsplit

import streamlit as st

from multi_llm_comparator.core.file_names import file_stem
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.sharing.links import DAY_S, SharedLink, SharedLinks
from multi_llm_comparator.sharing.shared_runs import BUNDLED_KINDS
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.copy_button import copy_button
from multi_llm_comparator.ui.kit.i18n import current_language, t, tn
from multi_llm_comparator.workbench import get_workbench

DAYS = (1, 7, 30, 365)
BUNDLE_S = 120.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def draw_share(kind: str, run_id: str, created_at: float, title: str) -> None:
    """Under the formats that a run is exported in."""
    if kind in BUNDLED_KINDS:
        st.download_button(
            t("share.bundle"),
            data=partial(_bundle, kind, run_id, current_language()),
            file_name=f"{file_stem(kind, created_at, title, run_id)}.zip",
            mime="application/zip",
            key=f"share_bundle_{run_id}",
            help=t("share.bundle_why"),
            on_click="ignore",
            width="stretch",
        )
    with st.expander(t("share.link"), icon=":material/link:", key=f"share_link_{run_id}", on_change="rerun") as box:
        if box.open:
            _draw_links(run_id)


def _draw_links(run_id: str) -> None:
    st.caption(t("share.link_why"))
    days = st.selectbox(
        t("share.valid"), DAYS, 1, format_func=lambda n: tn("share.days", n), key=f"share_days_{run_id}"
    )
    button("share.make", _make, run_id, days, icon="add_link", key=f"share_make_{run_id}")
    for link in _links().of_run(run_id):
        _draw_link(link)
    if urlsplit(st.context.url or "").hostname in _LOOPBACK:
        st.caption(t("share.only_here"))


def _make(run_id: str, days: int) -> None:
    attempt(lambda: _links().make(run_id, days * DAY_S))


def _draw_link(link: SharedLink) -> None:
    path = attempt(lambda: _links().path_of(link))
    if path is None:
        return
    address = f"{_origin()}{path}"
    st.code(address, language=None, wrap_lines=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        copy_button(address, t("share.copy"), key=f"share_copy_{link.id}")
        st.caption(t("share.until", day=say.moment(link.expires_at, st.context.timezone)[:16]), width="stretch")
        quiet_button(
            "share.take_back",
            lambda: attempt(lambda: _links().take_back(link.id)),
            icon="link_off",
            key=f"share_take_back_{link.id}",
        )


def _links() -> SharedLinks:
    return SharedLinks(get_settings().home)


def _origin() -> str:
    """Where the reader's browser found this page."""
    parts = urlsplit(st.context.url or "")
    return f"{parts.scheme}://{parts.netloc}"


# No session here: the file is made when the browser fetches it.
def _bundle(kind: str, run_id: str, language: Language) -> bytes:
    workbench = get_workbench()
    return workbench.bridge.run(workbench.shared.bundle(kind, run_id, language), timeout_s=BUNDLE_S)
