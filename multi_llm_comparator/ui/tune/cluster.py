"""Where the job runs: on this machine, or on a Ray cluster by its address."""

from __future__ import annotations

from html import escape
from importlib.util import find_spec

import streamlit as st

from multi_llm_comparator.training.tuning_spec import Elsewhere
from multi_llm_comparator.ui.kit.buttons import opener
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.state import change_draft, current_draft, draft_revision

MAX_ADDRESS_CHARS = 300
EXAMPLE = "http://10.0.0.5:8265"


def chosen_cluster() -> Elsewhere | None:
    """The cluster of the draft; None for this machine."""
    draft = current_draft()
    return Elsewhere(draft.cluster, int(draft.cluster_gpu)) if draft.cluster else None


def draw_cluster() -> Elsewhere | None:
    """One click away, and only where Ray is installed; what is chosen is said beside the start."""
    if find_spec("ray") is None:
        return None
    cluster = chosen_cluster()
    words = "elsewhere.here" if cluster is None else "elsewhere.there"
    opener(words, _draw_choice, icon="hub", key="tune_cluster", type="tertiary")
    if cluster is not None:
        st.html(f'<div class="mlc-muted">{escape(t("elsewhere.named", address=cluster.address))}</div>')
    return cluster


def _draw_choice() -> None:
    st.caption(t("elsewhere.why"))
    address, gpu = f"tune_cluster_address_{draft_revision()}", f"tune_cluster_gpu_{draft_revision()}"
    st.text_input(
        t("elsewhere.address"),
        current_draft().cluster,
        key=address,
        placeholder=EXAMPLE,
        max_chars=MAX_ADDRESS_CHARS,
        on_change=lambda: change_draft(cluster=st.session_state[address].strip()),
    )
    st.toggle(
        t("elsewhere.gpu"),
        current_draft().cluster_gpu,
        key=gpu,
        help=t("elsewhere.gpu_why"),
        on_change=lambda: change_draft(cluster_gpu=bool(st.session_state[gpu])),
    )
