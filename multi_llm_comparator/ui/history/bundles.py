"""A bundle that was opened: what it holds, what is otherwise here, and the same run made here."""

from __future__ import annotations

import hashlib

import streamlit as st

from multi_llm_comparator.comparison.documents import KIND as COMPARISON
from multi_llm_comparator.sharing.bundle import Manifest
from multi_llm_comparator.sharing.here import Here
from multi_llm_comparator.ui.history.kinds import KINDS, kind_name
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import button, main_button
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tm, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.workbench import get_workbench

_BUNDLE, _LOOKED = "share_bundle_data", "share_bundle_looked"
# Weights of candidates are hashed to find out whether they are the same.
LOOKING_S, STARTING_S = 300.0, 300.0
MAX_SHOWN = 12


def open_bundle(data: bytes) -> None:
    """Have the next drawing of any page show what is in a bundle."""
    st.session_state[_BUNDLE] = data


def draw_opened_bundle() -> None:
    """The dialog, where a bundle was opened."""
    data: bytes | None = st.session_state.get(_BUNDLE)
    if data is None:
        return
    looked = _looked(data)
    if looked is None:
        _forget()
        return

    @st.dialog(t("share.opened"), on_dismiss=_forget)
    def dialog() -> None:
        _draw(data, *looked)

    dialog()


def _looked(data: bytes) -> tuple[Manifest, Here] | None:
    key = hashlib.sha256(data).hexdigest()
    known = st.session_state.get(_LOOKED)
    if known is None or known[0] != key:
        with st.spinner(t("share.looking")):
            found = perform(get_workbench().shared.look(data), timeout_s=LOOKING_S)
        if found is None:
            return None
        known = (key, *found)
        st.session_state[_LOOKED] = known
    return known[1], known[2]


def _forget() -> None:
    st.session_state.pop(_BUNDLE, None)
    st.session_state.pop(_LOOKED, None)


def _draw(data: bytes, manifest: Manifest, here: Here) -> None:
    st.markdown(f"**{plain(manifest.title[:200])}**")
    st.caption(f"{plain(kind_name(manifest.kind))} · {tn('measure.items', len(manifest.prompts))}")
    if here.differences:
        st.markdown(t("share.differs"))
        for one in here.differences[:MAX_SHOWN]:
            there, own = one.there[:24] or "–", one.here[:24] or "–"
            st.markdown(tm(f"share.differs_{one.kind}", what=one.what[:120], there=there, here=own))
    else:
        st.success(t("share.same"), icon=":material/check_circle:")
    with st.container(horizontal=True):
        if main_button("share.run_again", icon="replay", disabled=not here.is_complete):
            _show(perform(get_workbench().shared.run_again(data), timeout_s=STARTING_S))
        if manifest.kind == COMPARISON and button("share.as_it_was", icon="visibility"):
            run_id = perform(get_workbench().shared.open_run(data), timeout_s=STARTING_S)
            _show(None if run_id is None else (COMPARISON, run_id))


def _show(run: tuple[str, str] | None) -> None:
    """Open what was made; where that was refused the reader has been told why."""
    _forget()
    if run is None:
        st.rerun()
    kind, run_id = run
    KINDS[kind].open(run_id)
    go_to(KINDS[kind].page, run=run_id)
