"""Getting a model from the Hugging Face Hub: look it up by name, choose a file, watch it arrive, cancel."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.services.fitting import as_model
from multi_llm_comparator.services.hub import DownloadProgress, HubDownload, HubHit, HubListing
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform, show_notices
from multi_llm_comparator.ui.kit.buttons import button, main_button, quiet_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.ui.models.fit import fit_chip, fit_here
from multi_llm_comparator.workbench import get_workbench, scan_again

MAX_NAME_CHARS = 300
REFRESH_S = 0.7
# The Hub itself is given a minute to answer.
LOOK_UP_TIMEOUT_S = 65.0
_LISTING, _HITS = "models_listing", "models_hits"
HITS_PX = 320


def draw_search() -> None:
    """Ask what a repository offers, or which ones have these words, and start fetching one of it."""
    with st.form("models_hub_form", border=False):
        name = st.text_input(
            t("download.name"), key="models_hub_name", placeholder=t("download.name_example"), max_chars=MAX_NAME_CHARS
        )
        only_gguf = st.checkbox(t("download.only_gguf"), key="models_hub_only_gguf")
        if st.form_submit_button(t("download.look_up"), icon=":material/search:", key="models_hub_look_up") and name:
            _search(name, only_gguf)
            show_notices()
    hits: tuple[HubHit, ...] | None = st.session_state.get(_HITS)
    if hits is not None:
        _draw_hits(hits)
    listing: HubListing | None = st.session_state.get(_LISTING)
    if listing is not None:
        _draw_choices(listing)


def _search(text: str, only_gguf: bool) -> None:
    """A name with an owner is one repository, or the address of its page; anything else are words."""
    st.session_state.pop(_LISTING, None)
    st.session_state.pop(_HITS, None)
    with st.spinner(t("download.asking")):
        if "/" in text.strip():
            _look_up(text)
        else:
            hub = get_workbench().hub
            st.session_state[_HITS] = perform(hub.search(text, only_gguf=only_gguf), timeout_s=LOOK_UP_TIMEOUT_S)


def _look_up(name: str) -> None:
    st.session_state[_LISTING] = perform(get_workbench().hub.look_up(name), timeout_s=LOOK_UP_TIMEOUT_S)


def _draw_hits(hits: tuple[HubHit, ...]) -> None:
    """What was found; a click asks what it offers."""
    if not hits:
        st.caption(t("download.no_hits"))
        return
    with st.container(height=min(HITS_PX, 70 * len(hits)), border=False, key="models_hub_hits"):
        for number, hit in enumerate(hits):
            with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small"):
                st.html(_hit(hit), width="stretch")
                if quiet_button("download.offers", icon="expand_more", key=f"models_hub_hit_{number}"):
                    with st.spinner(t("download.asking")):
                        _look_up(hit.repo_id)


def _hit(hit: HubHit) -> str:
    facts = [
        t("download.downloads", n=say.count(hit.downloads)) if hit.downloads is not None else "",
        hit.licence or t("download.no_licence"),
        "GGUF" if hit.has_gguf else "",
        t("download.gated") if hit.is_gated else "",
    ]
    said = escape(" · ".join(filter(None, facts)))
    return f'<div class="mlc-run"><b>{escape(hit.repo_id)}</b><span class="mlc-muted">{said}</span></div>'


def _draw_choices(listing: HubListing) -> None:
    choice = st.selectbox(
        tm("download.choice", name=listing.repo_id),
        range(len(listing.choices)),
        format_func=lambda i: _choice_words(listing, i),
        key=f"models_hub_choice_{listing.commit}",
    )
    for note in listing.notes:
        st.caption(plain(note))
    st.html(fit_chip(as_model(listing, choice)))
    if listing.choices[choice].is_pickle:
        st.warning(t("download.pickle"), icon=":material/gpp_maybe:")
    if main_button("download.start", icon="download", key="models_hub_start"):
        perform(_start(listing, choice))
        st.session_state.pop(_LISTING, None)
        st.rerun()


def _choice_words(listing: HubListing, number: int) -> str:
    choice = listing.choices[number]
    fit, _ = fit_here(as_model(listing, number))
    return f"{choice.title} · {say.size(choice.size_bytes)} · {t(f'starter.fit_{fit}')}"


async def _start(listing: HubListing, choice: int) -> None:
    get_workbench().hub.start(listing, listing.choices[choice])


def draw_downloads() -> None:
    """All downloads of this process. While one runs its figures are renewed; when one is done its model is found."""
    hub = get_workbench().hub
    downloads, running = hub.jobs, hub.running
    if not downloads:
        return

    @st.fragment(run_every=REFRESH_S if running else None)
    def live() -> None:
        show_notices()
        for number, download in enumerate(downloads):
            _draw_download(download, number)
        if any(download.progress.is_over for download in running):
            scan_again()
            st.rerun()

    live()


def _draw_download(download: HubDownload, number: int) -> None:
    progress = download.progress
    name = f"{download.listing.repo_id} · {download.choice.title}"
    with st.container(border=True, key=f"models_hub_download_{number}"):
        share = progress.done_bytes / progress.total_bytes if progress.total_bytes else 0.0
        with st.container(horizontal=True, vertical_alignment="center"):
            if progress.is_over:
                st.markdown(tm(f"download.{progress.state}", name=name), width="stretch")
            else:
                st.progress(min(1.0, share), text=plain(f"{name} · {progress_words(progress)}"))
                if button("download.cancel", icon="close", key=f"models_hub_cancel_{number}"):
                    perform(download.cancel())
                    st.rerun()
        if progress.error:
            st.error(plain(said(str(progress.error))), icon=":material/error:")


def progress_words(progress: DownloadProgress) -> str:
    """How far a download is; how fast, and how long it takes, once that is known."""
    if progress.state == "checking":
        return t("download.checking")
    so_far = {"done": say.size(progress.done_bytes), "total": say.size(progress.total_bytes)}
    if not progress.bytes_per_second:
        return t("download.begun", **so_far)
    speed = f"{say.size(progress.bytes_per_second)}/s"
    return t("download.progress", **so_far, speed=speed, left=say.seconds(progress.eta_s))
