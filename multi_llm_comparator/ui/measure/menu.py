"""What can be done with a whole evaluation: stop, resume, score anew, export, open another, set up another."""

from __future__ import annotations

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.evaluation.measuring.documents import KIND
from multi_llm_comparator.evaluation.measuring.human_votes import voting_spec
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.history.run_files import draw_exports
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.measure.state import (
    known_sets,
    leave_run,
    open_run,
    set_up_again,
    show_run,
    taken,
)
from multi_llm_comparator.ui.vote.state import open_run as open_votes
from multi_llm_comparator.voting.human_preferences import human_preferences
from multi_llm_comparator.workbench import get_workbench

MAX_TITLE_CHARS = 120
# Scoring many answers anew by patterns takes its time.
RESCORE_S = 120.0


def draw_heading(run: EvaluationRun | None) -> None:
    """The page's title line: the run's name on the left, what to do with it on the right."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="measure_heading"):
        if run is None:
            st.title(t("measure.new_title"), anchor=False, width="stretch")
        else:
            snapshot = taken(run)
            st.title(plain(cut_line(snapshot.title, MAX_TITLE_CHARS)), anchor=False, width="stretch")
            _draw_actions(run, snapshot)
        key = f"measure_runs_{run.id if run else ''}"
        with st.popover(t("run.runs"), icon=":material/history:", type="tertiary", key=key, on_change="rerun") as runs:
            if runs.open:
                draw_recent(KIND, open_run, key="measure_runs")


def _draw_actions(run: EvaluationRun, snapshot: EvaluationSnapshot) -> None:
    if snapshot.is_running:
        st.button(
            t("act.stop"),
            icon=":material/stop_circle:",
            key="measure_stop",
            shortcut="Alt+S",
            disabled=snapshot.owner is not None,
            on_click=lambda: perform(get_workbench().runs.stop(run.id), run.id),
        )
    else:
        _draw_resume(run, snapshot)
        with st.popover(t("measure.rescore"), icon=":material/rule:", type="tertiary", key="measure_rescore") as box:
            if box is not None:
                _draw_rescore(run, snapshot)
                _draw_votes(run, snapshot)
    with st.popover(
        t("run.export"), icon=":material/download:", type="tertiary", key="measure_export", on_change="rerun"
    ) as export:
        if export.open:
            draw_exports(KIND, run.id, run.created_at, snapshot.title)
    st.button(
        t("measure.again"),
        icon=":material/replay:",
        type="tertiary",
        key="measure_again",
        help=t("measure.again_why"),
        on_click=set_up_again,
        args=(run,),
    )
    st.button(
        t("run.new"),
        icon=":material/add:",
        type="tertiary",
        key="measure_new",
        on_click=leave_run,
        shortcut="Alt+N",
    )


def _draw_resume(run: EvaluationRun, snapshot: EvaluationSnapshot) -> None:
    if snapshot.state in ("stopped", "interrupted", "failed"):
        label, why = t("measure.resume"), t("measure.resume_why")
    elif snapshot.failed:
        label, why = tn("measure.retry", snapshot.failed), t("measure.retry_why")
    else:
        return
    st.button(
        label,
        icon=":material/resume:",
        key="measure_resume",
        help=why,
        type="primary",
        on_click=_resume,
        args=(run.id,),
    )


def _resume(run_id: str) -> None:
    if (run := perform(get_workbench().evaluations.resume(run_id), run_id)) is not None:
        show_run(run.id)


def _draw_rescore(run: EvaluationRun, snapshot: EvaluationSnapshot) -> None:
    """Score the answers again, by what the set expects now: nobody is asked."""
    st.caption(t("measure.rescore_why"))
    names = {facts.id: facts.name for facts in known_sets()} if snapshot.spec.prompts else {}
    chosen = st.selectbox(
        t("measure.rescore_by"),
        ["", *names],
        format_func=lambda one: names.get(one, t("measure.rescore_same")),
        key=f"measure_rescore_by_{run.id}",
    )
    st.button(
        t("measure.rescore_now"), key="measure_rescore_now", type="primary", on_click=_rescore, args=(run, chosen)
    )


def _rescore(run: EvaluationRun, set_id: str) -> None:
    prompts = attempt(lambda: PromptSets().load(set_id)) if set_id else None
    if set_id and prompts is None:
        return
    changed = perform(run.rescore(prompts), run.id, timeout_s=RESCORE_S)
    if changed is not None:
        inform(tn("measure.rescored", changed))


def _draw_votes(run: EvaluationRun, snapshot: EvaluationSnapshot) -> None:
    """One's own judgement, given blind: beside it a judge's can be believed or not."""
    if snapshot.spec.prompts is None or len(snapshot.spec.subjects) < 2:
        return
    st.divider()
    st.caption(t("measure.votes_why"))
    if st.button(t("measure.vote_now"), icon=":material/how_to_vote:", key="measure_vote_now"):
        spec = attempt(lambda: voting_spec(snapshot))
        votes = None if spec is None else perform(get_workbench().votes.start(spec, parent_id=run.id), run.id)
        if votes is not None:
            open_votes(votes.id)
            go_to("vote", run=votes.id)
    st.button(
        t("measure.take_votes"), icon=":material/download_done:", key="measure_take_votes", on_click=_take, args=(run,)
    )


def _take(run: EvaluationRun) -> None:
    async def taken_over() -> int:
        return await run.take_votes(human_preferences(await get_workbench().votes.all_sessions()))

    if (count := perform(taken_over(), run.id, timeout_s=RESCORE_S)) is not None:
        inform(tn("measure.votes_taken", count))
