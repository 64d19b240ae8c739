"""A service as one watches it: how far it is, then its result with sources, charts and notes."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.applications.run import ServiceRun
from multi_llm_comparator.applications.snapshot import ServiceSnapshot
from multi_llm_comparator.ui.history.rows import state_of_run
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.failures import draw_ways_out
from multi_llm_comparator.ui.kit.html_pieces import model_label, problem
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.shown_run import draw_elsewhere, watch
from multi_llm_comparator.ui.services.result import draw_computed, draw_result
from multi_llm_comparator.ui.services.state import RUN, target_choices
from multi_llm_comparator.ui.services.writing import draw_writing

POLL_S = 0.6


def draw_board(run: ServiceRun) -> None:
    """Everything of a run; redrawn while it is at work."""
    first = RUN.taken(run)

    @st.fragment(run_every=POLL_S if first.is_running else None)
    def live() -> None:
        show_notices()
        latest = RUN.taken(run)
        if (latest.is_running, latest.data is None) != (first.is_running, first.data is None):
            st.rerun()
        _draw_status(latest)

    live()
    if first.result is not None:
        draw_result(first, first.result)
    elif first.data is not None:
        draw_computed(first, first.data)
    if not first.is_running:
        watch(run)


def _draw_status(snapshot: ServiceSnapshot) -> None:
    draw_elsewhere(snapshot.owner)
    spec = snapshot.spec
    words = [state_of_run(snapshot.state)]
    if snapshot.is_running and snapshot.phase:
        words.append(escape(t(f"services.phase_{snapshot.phase}")))
    words.append(escape(f"{t(f'services.{spec.service_type}')}: {t(f'services.kind_{spec.kind}')}"))
    words.append(_who(snapshot))
    if snapshot.is_running and snapshot.expected:
        words.append(escape(t("services.asked", done=snapshot.asked, total=snapshot.expected)))
    if snapshot.left_s is not None:
        words.append(escape(t("services.left", time=say.seconds(snapshot.left_s))))
    took = "services.works" if snapshot.is_running else "services.took"
    words.append(escape(t(took, time=say.seconds(snapshot.worked_s))))
    if not snapshot.is_running:
        if snapshot.tokens:
            words.append(escape(tn("services.tokens", snapshot.tokens)))
        if snapshot.cost_usd:
            words.append(escape(say.dollars(snapshot.cost_usd)))
    st.html(f'<p class="mlc-services-status" data-state="{snapshot.state}">{" · ".join(filter(None, words))}</p>')
    if snapshot.is_running:
        st.progress(snapshot.share)
        draw_writing(snapshot.writing)
    if snapshot.error:
        st.html(problem(t("services.failed_title"), snapshot.error))
    if not snapshot.is_running:
        draw_ways_out([(kind, spec.target) for kind in snapshot.error_types], "services")


def _who(snapshot: ServiceSnapshot) -> str:
    """Who answered; before that, who is asked."""
    target = snapshot.spec.target
    if not target:
        return escape(t("services.nobody"))
    choice = target_choices().get(target)
    name = choice.label.rpartition(" · ")[0] or choice.label if choice and choice.model else target
    return model_label(name, tone_of(target))
