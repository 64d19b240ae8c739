"""A plan run as one watches it: its state, its answer, its figures, the Gantt chart beside the graph, one step."""

from __future__ import annotations

from dataclasses import replace
from html import escape

import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.plans.metrics import RunMetrics, run_metrics, unanswered
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.timeline import working_s
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.failures import Failed, draw_failed_run, failed_with
from multi_llm_comparator.ui.kit.html_pieces import note_chip
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.live_chart import live_chart
from multi_llm_comparator.ui.kit.markdown import bounded, to_markdown
from multi_llm_comparator.ui.kit.palette import STATE_TONES
from multi_llm_comparator.ui.kit.shown_run import watch
from multi_llm_comparator.ui.kit.theme import page_tone
from multi_llm_comparator.ui.plans.figures import strip
from multi_llm_comparator.ui.plans.gantt import gantt
from multi_llm_comparator.ui.plans.graph import graph, left_out_of_graph
from multi_llm_comparator.ui.plans.prediction import critical_path, outlook_on
from multi_llm_comparator.ui.plans.scene import Scene
from multi_llm_comparator.ui.plans.state import RUN, compared_run, pick_step, picks, selected_step
from multi_llm_comparator.ui.plans.step import draw_step
from multi_llm_comparator.ui.plans.tables import draw_plan, draw_steps, draw_theory
from multi_llm_comparator.ui.plans.tones import run_chip

POLL_S = 0.4
MAX_ANSWER_CHARS = 20_000


def draw_board(run: PlanRun) -> None:
    """Everything of a run; redrawn several times a second while it is at work."""
    other = compared_run()
    runs = [one for one in (run, other) if one is not None]
    # The buttons above depend on these.
    stage = [(one.is_over, one.plan is None) for one in runs]

    @st.fragment(run_every=None if all(one.is_over for one in runs) else POLL_S)
    def live() -> None:
        show_notices()
        latest = [RUN.taken(one) for one in runs]
        # The whole page is drawn then; this once more before it would take the cores from the models.
        if [(one.is_over, one.plan is None) for one in latest] != stage:
            st.rerun()
        _draw(latest[0], latest[1] if other is not None else None)

    live()
    if run.is_over:
        watch(run)


def _draw(run: PlanRun, other: PlanRun | None) -> None:
    outlook = outlook_on(run)
    prediction = outlook.prediction
    metrics = run_metrics(run)
    st.html(_status(run, metrics))
    _draw_answer(run)
    st.html(strip(run, metrics, outlook))
    scene = Scene(
        run,
        page_tone(),
        at=None if run.is_over else now(),
        prediction=prediction,
        critical=critical_path(run, metrics, prediction),
        selected=selected_step(run),
    )
    _draw_charts(scene, other)
    step, steps, plan, theory = st.tabs(
        [t("plan.tab_step"), t("plan.tab_steps"), t("plan.tab_plan"), t("plan.tab_theory")],
        # Made anew, so that the first one is open, when a step is picked in a chart.
        key=f"plans_tabs_{picks()}",
    )
    with step:
        draw_step(run)
    with steps:
        draw_steps(run)
    with plan:
        draw_plan(run)
    with theory:
        draw_theory(run, outlook)


def _status(run: PlanRun, metrics: RunMetrics) -> str:
    chips = [run_chip(run.stage)]
    words = [tn("plan.steps_done", metrics.steps, done=metrics.done)] if run.steps else []
    executor = run.options.executor
    words.append(t("plan.workers_n", n=executor.workers))
    threshold = t("plan.threshold_n", n=executor.threshold) if executor.enable_threshold else t("plan.all_large")
    words.append(threshold)
    chips.append(f'<span class="mlc-muted">{escape(" · ".join(words))}</span>')
    if (worker := run.owner) is not None:
        chips.append(note_chip(t("plan.note_elsewhere", pid=worker.pid), t("plan.elsewhere"), STATE_TONES["loading"]))
    if run.plan_is_direct:
        chips.append(note_chip(t("plan.note_direct"), t("plan.direct"), STATE_TONES["failed"]))
    if metrics.replans:
        chips.append(
            note_chip(tn("plan.note_replans", metrics.replans), t("plan.note_replans_why"), STATE_TONES["loading"])
        )
    if metrics.repairs:
        repairs = "; ".join(r for a in run.planning for r in a.repairs)
        chips.append(note_chip(tn("plan.note_repairs", metrics.repairs), repairs, STATE_TONES["queued"]))
    return f'<div class="mlc-plan-status">{"".join(chips)}</div>'


def _draw_answer(run: PlanRun) -> None:
    with st.container(border=True, key="plans_answer"):
        if run.error and run.state == "failed":
            draw_failed_run(t(failure_title(run)), run.error, failures_of(run), "plans_run")
        text = run.answer or (run.aggregate.text if run.aggregate else "")
        if text:
            for block in to_markdown(bounded(text, MAX_ANSWER_CHARS), is_open=not run.is_over):
                st.markdown(block, anchors=False)
        elif not run.error:
            st.html(f'<div class="mlc-waiting">{escape(t(f"plan.answer_{run.stage}"))}</div>')
        if missing := unanswered(run):
            st.html(f'<div class="mlc-muted">{escape(t("plan.missing", steps=", ".join(missing)))}</div>')


def failure_title(run: PlanRun) -> str:
    """The key of what went wrong with a run as a whole."""
    if run.aggregate is not None and run.aggregate.state == "failed":
        return "plan.failed_aggregate"
    return "plan.failed_steps" if run.steps else "plan.failed_plan"


def failures_of(run: PlanRun) -> list[Failed]:
    """Whose failures left the run without an answer."""
    if run.aggregate is not None and run.aggregate.state == "failed":
        return [failed_with(run.aggregate, run.options.aggregator_model)]
    tried = [step.attempts[-1] for step in run.steps.values() if step.state == "failed" and step.attempts]
    return [failed_with(attempt.progress, attempt.target) for attempt in tried]


def _draw_charts(scene: Scene, other: PlanRun | None) -> None:
    compared = _scene_of(other, scene) if other else None
    if compared:
        span = max(scene.end_s, compared.end_s)
        scene, compared = replace(scene, span_s=span), replace(compared, span_s=span)
    with st.container(key="plans_charts"):
        left, right = st.columns([3, 1], gap="small")
        figure = gantt(scene)
        with left:
            if compared:
                st.html(_caption(scene.run))
            _chart(figure, "plans_gantt", t("plan.gantt_alt"), scene.run)
            _say_left_out(scene.lanes.left_out)
            if compared:
                st.html(_caption(compared.run))
                _chart(gantt(compared), "plans_gantt_other", t("plan.gantt_alt"), compared.run)
                _say_left_out(compared.lanes.left_out)
        with right:
            if scene.run.steps:
                _chart(graph(scene, figure["layout"]["height"]), "plans_graph", t("plan.graph_alt"), scene.run)
                steps, arrows = left_out_of_graph(scene)
                if steps or arrows:
                    st.caption(t("plan.graph_left_out", steps=say.count(steps), arrows=say.count(arrows)))


def _say_left_out(rows: int) -> None:
    if rows:
        st.caption(tn("plan.rows_left_out", rows))


def _scene_of(run: PlanRun, beside: Scene) -> Scene:
    prediction = outlook_on(run).prediction
    at = None if run.is_over else now()
    critical = critical_path(run, run_metrics(run), prediction)
    return Scene(run, beside.page, at, prediction, critical, beside.selected)


def _caption(run: PlanRun) -> str:
    """What tells two runs apart, above the chart of each."""
    executor = run.options.executor
    metrics = run_metrics(run)
    wall = metrics.wall_s if run.is_over else working_s(run, run.created_at, now())
    words = [
        t("plan.threshold_n", n=executor.threshold) if executor.enable_threshold else t("plan.all_large"),
        t("plan.workers_n", n=executor.workers),
        f"{executor.small_model} / {executor.large_model}",
        say.seconds(wall),
        t("plan.speed_up_n", n=f"{metrics.speed_up:.2f}") if metrics.speed_up else "",
        t("plan.tokens_n", n=say.count(metrics.tokens)),
        f"→ {run.answer}" if run.answer else t(f"plan.state_{run.stage}"),
    ]
    said = escape(" · ".join(filter(None, words)))
    return f'<div class="mlc-plan-caption"><b>{escape(run.question[:80])}</b> {said}</div>'


def _chart(figure: dict[str, object], key: str, alt: str, run: PlanRun) -> None:
    live_chart(figure, key, alt=alt, name=f"plan-{run.id}", on_pick=pick_step)
