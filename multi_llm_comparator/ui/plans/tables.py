"""The lists of a run: all steps, the plan as the planner wrote it, the prediction beside what happened."""

from __future__ import annotations

from html import escape
from math import inf

import streamlit as st

from multi_llm_comparator.core.readable import cut_line
from multi_llm_comparator.plans.metrics import step_metrics
from multi_llm_comparator.plans.outlook import Outlook, Prediction, target_of
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_words import chain_words
from multi_llm_comparator.plans.timeline import stalls_of, working_s
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.html_pieces import model_label, problem, table
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.ui.plans.figures import no_prediction, say_plan
from multi_llm_comparator.ui.plans.step import error_title
from multi_llm_comparator.ui.plans.targets import name_of
from multi_llm_comparator.ui.plans.tones import step_chip

MAX_ROWS = 200
MAX_CHARS = 160
_STEP_COLUMNS = ("step", "task", "needs", "difficulty", "model", "state", "queue", "ttft", "time", "tokens", "answer")


def draw_steps(run: PlanRun) -> None:
    """One row for each step."""
    head = [t(f"plan.column_{name}") for name in _STEP_COLUMNS]
    rows = [_row(run, step_id) for step_id in list(run.steps)[:MAX_ROWS]]
    st.html(table(head, rows, words=(1, 10)))
    if len(run.steps) > MAX_ROWS:
        st.caption(t("plan.more_steps", n=say.count(len(run.steps) - MAX_ROWS)))


def _row(run: PlanRun, step_id: str) -> list[str]:
    step = run.steps[step_id]
    known = step_metrics(step)
    target = known.model or run.options.executor.target_of(step.step)
    return [
        escape(step_id),
        escape(cut_line(step.step.task, MAX_CHARS)),
        escape(", ".join(step.step.rely) or say.NOTHING),
        str(step.step.difficulty),
        t("plan.no_model")
        if step.state == "done" and not step.attempts
        else model_label(name_of(target), tone_of(target)),
        step_chip(step.state),
        say.seconds(known.queued_s),
        say.seconds(known.ttft_s),
        say.seconds(known.duration_s),
        say.count(known.tokens),
        escape(cut_line(step.answer if step.answer is not None else step.error or say.NOTHING, MAX_CHARS)),
    ]


def draw_plan(run: PlanRun) -> None:
    """What the planner wrote, what was repaired, and what could not be used."""
    for number, attempt in enumerate(run.planning, 1):
        if attempt.error:
            title = error_title(attempt.error_type)
            st.html(problem(t("plan.attempt_failed", n=number, what=title), attempt.error))
        for repair in attempt.repairs:
            st.caption(tm("plan.repaired", what=repair))
        if attempt.thinking:
            with st.expander(t("think.done"), icon=":material/psychology:", key=f"plans_thinking_{number}"):
                st.text(attempt.thinking[:20_000])
    if run.plan_is_direct:
        st.caption(t("plan.direct"))
    written = run.planning[-1].progress.text if run.planning else ""
    text = run.plan.to_xml() if run.plan and not run.plan_is_direct else written
    st.code(text[:60_000] or t("plan.nothing_written"), language="xml", wrap_lines=True)


def draw_theory(run: PlanRun, outlook: Outlook) -> None:
    """What the schedule should take by how fast the models are, beside what it took."""
    if (prediction := outlook.prediction) is None:
        st.caption(plain(no_prediction(outlook)))
        return
    schedule, actual = prediction.schedule, _ends(run)
    is_planned, is_aggregated = prediction.planning_s is not None, prediction.answer_s is not None
    path = chain_words(schedule.critical_path, is_planned, is_aggregated, say_plan)
    targets = {step.id: target_of(run, step) for step in run.plan.steps} if run.plan else {}
    rows = [
        [
            escape(s.id),
            model_label(name_of(targets[s.id]), tone_of(targets[s.id])),
            say.seconds(s.start_s),
            say.seconds(s.end_s),
            say.seconds(actual.get(s.id)),
        ]
        for s in schedule.steps[:MAX_ROWS]
    ]
    rows.append(
        [
            f"<b>{escape(t('plan.theory_all'))}</b>",
            escape(path),
            "",
            f"<b>{say.seconds(prediction.total_s)}</b>",
            f"<b>{say.seconds(prediction.actual_s)}</b>"
            + (f" ({prediction.error:+.0%})" if prediction.error is not None else ""),
        ]
    )
    st.html(table([t(f"plan.theory_{name}") for name in ("step", "model", "start", "end", "actual")], rows))
    _draw_profiles(prediction)


def _draw_profiles(prediction: Prediction) -> None:
    profiles = [
        [
            model_label(name_of(target), tone_of(target)),
            t(f"plan.profile_of_{part}"),
            say.seconds(p.ttft_s),
            "∞" if p.tokens_per_second == inf else say.speed(p.tokens_per_second),
            t("plan.profile_budget") if p.tokens == inf else f"{p.tokens:.0f}",
            f"{1e6 * p.usd_per_token:g}",
            f"{p.answers:,}",
        ]
        for (target, part), p in prediction.profiles.items()
    ]
    st.caption(t("plan.theory_profiles"))
    heading = [t(f"plan.profile_{name}") for name in ("model", "part", "ttft", "speed", "tokens", "price", "seen")]
    st.html(table(heading, profiles))


def _ends(run: PlanRun) -> dict[str, float]:
    """When steps were done, in seconds from the question, without loading."""
    stalls, done = stalls_of(run), [s for s in run.steps.values() if s.state == "done"]
    return {s.step.id: working_s(run, run.created_at, s.ended_at, stalls) for s in done if s.ended_at is not None}
