"""What can be done with a whole evaluation: stop, resume, score anew, export, open another, set up another."""

from __future__ import annotations

from functools import partial

import streamlit as st

from multi_llm_comparator.evaluation.measuring.documents import KIND
from multi_llm_comparator.evaluation.measuring.human_votes import voting_spec
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot
from multi_llm_comparator.evaluation.prompt_store import PromptSets
from multi_llm_comparator.ui.history import run_heading
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.kit.actions import attempt, inform, perform
from multi_llm_comparator.ui.kit.buttons import State, button, main_button
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.navigation import go_to
from multi_llm_comparator.ui.measure.asked import known_sets
from multi_llm_comparator.ui.measure.state import RUN, set_up_again
from multi_llm_comparator.ui.vote.state import RUN as VOTES
from multi_llm_comparator.voting.human_preferences import human_preferences
from multi_llm_comparator.workbench import get_workbench

# Scoring many answers anew by patterns takes its time.
RESCORE_S = 120.0


def draw_heading(run: EvaluationRun | None) -> None:
    """The page's title line: the run's name on the left, what to do with it on the right."""
    draw_runs = partial(draw_recent, KIND, RUN.open, key="measure_runs")
    run_heading.draw_heading("measure", run, draw_runs, _draw_actions, new_title=t("measure.new_title"))


def _draw_actions(run: EvaluationRun) -> None:
    snapshot = RUN.taken(run)
    if snapshot.is_running:
        run_heading.draw_stop("measure", run.id, disabled=snapshot.owner is not None)
    else:
        _draw_resume(snapshot)
        with st.popover(t("measure.rescore"), icon=":material/rule:", type="tertiary", key="measure_rescore"):
            _draw_rescore(run, snapshot)
            _draw_votes(run, snapshot)
    run_heading.draw_export("measure", KIND, run.id, run.created_at, snapshot.title)
    run_heading.draw_again("measure", "measure.again", set_up_again, run, why=True)
    run_heading.draw_new("measure", RUN.leave, "add")


def _draw_resume(snapshot: EvaluationSnapshot) -> None:
    look: State = {"why": True, "type": "primary"}
    if snapshot.state in ("stopped", "interrupted", "failed"):
        run_heading.draw_resume("measure", "measure.resume", RUN.resume, snapshot.id, **look)
    elif snapshot.failed:
        look["values"] = {"n": snapshot.failed}
        run_heading.draw_resume("measure", "measure.retry", RUN.resume, snapshot.id, **look)


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
    main_button("measure.rescore_now", _rescore, run, chosen, key="measure_rescore_now")


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
            VOTES.open(votes.id)
            go_to("vote", run=votes.id)
    button("measure.take_votes", _take, run, icon="download_done", key="measure_take_votes")


def _take(run: EvaluationRun) -> None:
    async def taken_over() -> int:
        return await run.take_votes(human_preferences(await get_workbench().votes.all_sessions()))

    if (count := perform(taken_over(), run.id, timeout_s=RESCORE_S)) is not None:
        inform(tn("measure.votes_taken", count))
