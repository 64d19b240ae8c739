"""Past plan runs: to be found, opened, compared with and deleted."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.plans.plan_run import KIND, PlanRun
from multi_llm_comparator.tracking.records import RunFilter, RunSummary
from multi_llm_comparator.ui.kit.actions import inform, perform
from multi_llm_comparator.ui.kit.html_pieces import moment
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.plans.state import compare_with, compared_run, leave_run, open_run
from multi_llm_comparator.ui.plans.tones import run_chip
from multi_llm_comparator.workbench import get_workbench

SHOWN, MOST_SHOWN = 12, 120


def draw_runs() -> None:
    """The latest runs, or those that contain a text; each opens at one click."""
    text = _search("plans_search")
    found = _listed(text, "plans_search")
    for run in found:
        with st.container(
            horizontal=True, vertical_alignment="center", wrap=False, gap="xsmall", key=f"plans_run_{run.id}"
        ):
            st.html(_row(run, run_chip(run.stage)), width="stretch")
            _icon_button("open", "open_in_new", run, open_run)
            _icon_button("delete", "delete", run, _delete)
    _draw_rest(text, found, "plans_search")


def draw_comparison_choice(run: PlanRun) -> None:
    """The run to show beneath this one, on the same clock."""
    other = compared_run()
    if other is not None:
        st.button(
            t("plan.compare_end"), icon=":material/close:", key="plans_compare_end", on_click=compare_with, args=(None,)
        )
    text = _search("plans_compare_search")
    listed = _listed(text, "plans_compare_search")
    found = [r for r in listed if r.id != run.id and (other is None or r.id != other.id)]
    # Runs of the same question first: that is what one compares as a rule.
    for summary in sorted(found, key=lambda r: r.title != run.title):
        with st.container(
            horizontal=True, vertical_alignment="center", wrap=False, gap="xsmall", key=f"plans_with_{summary.id}"
        ):
            st.html(_row(summary, ""), width="stretch")
            _icon_button("compare", "stacked_bar_chart", summary, compare_with)
    _draw_rest(text, listed, "plans_compare_search")


def _search(key: str) -> str:
    return st.text_input(
        t("plan.search"),
        key=key,
        placeholder=t("plan.search"),
        label_visibility="collapsed",
        icon=":material/search:",
        max_chars=200,
        width=380,
    ).strip()


def _listed(text: str, key: str) -> list[RunSummary]:
    return perform(get_workbench().runs.list(RunFilter(kind=KIND, text=text), _shown(key))) or []


def _shown(key: str) -> int:
    """How many runs the list of a search box has: more each time they are asked for."""
    return min(int(st.session_state.get(f"{key}_shown", SHOWN)), MOST_SHOWN)


def _draw_rest(text: str, listed: list[RunSummary], key: str) -> None:
    """What the list does not have: another dozen at a click, or what to do if it has grown long."""
    if not listed:
        st.caption(t("plan.runs_none"))
        return
    left = (perform(get_workbench().runs.count(RunFilter(kind=KIND, text=text))) or 0) - len(listed)
    if left <= 0:
        return
    shown = _shown(key)
    if shown >= MOST_SHOWN:
        st.caption(tn("plan.runs_more", left))
        return

    def show_more() -> None:
        st.session_state[f"{key}_shown"] = shown + SHOWN

    st.button(tn("plan.runs_show_more", left), icon=":material/expand_more:", key=f"{key}_more", on_click=show_more)


def _icon_button(name: str, icon: str, run: RunSummary, act: Callable[[str], None]) -> None:
    st.button(
        t(f"plan.run_{name}"),
        icon=f":material/{icon}:",
        type="tertiary",
        key=f"icon_plans_{name}_{run.id}",
        on_click=act,
        args=(run.id,),
    )


def _delete(run_id: str) -> None:
    if perform(get_workbench().runs.delete([run_id]), run_id) is None:
        return
    if st.session_state.get("plans_run") == run_id:
        leave_run()
    inform(t("plan.deleted"))


def _row(run: RunSummary, chip: str) -> str:
    when = moment(run.created_at, now(), st.context.timezone)
    return (
        f'<div class="mlc-run"><div class="mlc-row-title" title="{escape(run.title)}">{escape(run.title)}</div>'
        f'<div class="mlc-models mlc-muted">{chip}<span>{when}</span><span>{escape(run.detail)}</span></div></div>'
    )
