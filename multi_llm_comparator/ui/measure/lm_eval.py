"""Tasks of other programs, lm-evaluation-harness and OpenCompass, as jobs: how they are begun, and what one watches."""

from __future__ import annotations

from functools import partial
from html import escape
from importlib.util import find_spec

import streamlit as st

from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.evaluation.lm_eval_job import Metric, lm_eval_spec, metrics_of
from multi_llm_comparator.evaluation.measuring.spec import names_in
from multi_llm_comparator.evaluation.opencompass_job import INSTALL
from multi_llm_comparator.jobs.entries import PAGES
from multi_llm_comparator.jobs.job_run import JobRun
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.jobs.spec import JobSpec
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.ui.history import run_heading
from multi_llm_comparator.ui.history.recent import draw_recent
from multi_llm_comparator.ui.history.rows import state_of_run
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import attempt, perform, show_notices
from multi_llm_comparator.ui.kit.html_pieces import problem, table
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.measure.state import RUN, SETUP, Setup
from multi_llm_comparator.workbench import get_workbench

READING_S = 60.0
POLL_S = 1.0
MAX_LOG_CHARS = 20_000
EXAMPLE = "arc_easy, hellaswag"


def draw_lm_eval(setup: Setup) -> None:
    """A field for names of tasks, and a button that starts a job for each local model; or how to get lm-eval."""
    with st.expander(t("measure.lm_eval"), icon=":material/extension:", key="measure_lm_eval"):
        st.caption(t("measure.opencompass_why"))
        st.code(INSTALL, language="bash", wrap_lines=True)
        if find_spec("lm_eval") is None:
            st.caption(t("measure.lm_eval_missing"))
            return
        st.caption(t("measure.lm_eval_why"))
        st.text_input(
            t("measure.lm_eval_tasks"),
            setup.lm_eval,
            placeholder=EXAMPLE,
            max_chars=2000,
            **SETUP.bind("lm_eval"),
        )
        st.button(
            t("measure.lm_eval_start"),
            icon=":material/play_arrow:",
            key="measure_lm_eval_start",
            disabled=not (names_in(setup.lm_eval) and _models(setup)),
            on_click=_start,
        )


def _models(setup: Setup) -> list[ModelInfo]:
    """The chosen models that are files of this machine: others show no probabilities to lm-eval."""
    found = (get_workbench().models.find(target) for target in setup.models)
    whole = (model for model in found if model is not None and model.base is None)
    return [model for model in whole if model.model_type is not ModelType.CUSTOM]


def _start() -> None:
    """A job for each model; the page turns to the first."""
    setup, first = SETUP.current(), ""
    for model in _models(setup):
        spec = attempt(partial(_spec, model, setup))
        job = None if spec is None else perform(get_workbench().jobs.start(spec))
        first = first or (job.id if job is not None else "")
    if first:
        SETUP.remember()
        RUN.show(first)


def _spec(model: ModelInfo, setup: Setup) -> JobSpec:
    return lm_eval_spec(model, tasks=names_in(setup.lm_eval), limit=setup.limit or None, chat=setup.chat)


def asked_job() -> JobRun | None:
    """The job that the address, or the session, names; None where it is no job: whoever looks for an evaluation next
    says what is wrong with it."""
    run_id, bench = RUN.address.read(), get_workbench()
    if not run_id:
        return None
    try:
        run = bench.bridge.run(bench.runs.get(run_id, LiveRun), timeout_s=READING_S)  # type: ignore[type-abstract]
    except (MultiLLMError, TimeoutError):
        return None
    if not isinstance(run, JobRun) or PAGES.get(run.spec.kind) != "measure":
        return None
    RUN.show(run.id)
    return run


def draw_job(job: JobRun) -> None:
    """How far it is, what came out with its intervals, and what it printed."""
    first = job.snapshot()
    jobs = partial(draw_recent, first.spec.kind, RUN.open, key="measure_jobs")
    run_heading.draw_heading("measure", first, jobs, _draw_actions, new_title=t("measure.new_title"))

    @st.fragment(run_every=None if first.is_over else POLL_S)
    def live() -> None:
        show_notices()
        latest = job.snapshot()
        if latest.is_over != first.is_over:
            st.rerun()
        _draw(latest)

    live()


def _draw_actions(job: JobSnapshot) -> None:
    if not job.is_over:
        run_heading.draw_stop("measure", job.id, _stop)
    elif job.state != "done":
        run_heading.draw_resume("measure", "measure.lm_eval_again", _resume, job.id, why=True)
    run_heading.draw_export("measure", job.spec.kind, job.id, job.created, job.title)
    run_heading.draw_new("measure", RUN.leave, "add")


def _stop(run_id: str) -> None:
    perform(get_workbench().jobs.stop(run_id), run_id)


def _resume(run_id: str) -> None:
    perform(get_workbench().jobs.resume(run_id), run_id)


def _draw(job: JobSnapshot) -> None:
    words = [state_of_run(job.state)]
    if job.state == "running" and job.phase:
        key = f"measure.phase_{job.phase}"
        words.append(escape(t(key) if key in texts(current_language()) else job.phase))
    if job.progress is not None and not job.is_over:
        words.append(escape(f"{say.count(job.progress.done)} / {say.count(job.progress.total)}"))
    st.html(f'<div class="mlc-models" data-job="{job.state}">{"".join(f"<span>{w}</span>" for w in words)}</div>')
    if job.error is not None:
        st.html(problem(t("measure.failed_title"), job.error.text))
    if job.state == "running" and job.progress is not None:
        st.progress(job.progress.share)
    if rows := [_row(one) for one in metrics_of(job.result)]:
        heads = ("lm_eval_task", "lm_eval_metric", "lm_eval_value", "lm_eval_interval")
        st.html(table([t(f"measure.{name}") for name in heads], rows))
    for note in job.notes:
        st.html(f'<p class="mlc-muted">{escape(note.text)}</p>')
    for artefact in job.artefacts:
        st.html(f'<p class="mlc-muted">{escape(artefact.path)}</p>')
    with st.expander(t("measure.lm_eval_log"), icon=":material/terminal:"):
        st.code("\n".join(job.log_tail)[-MAX_LOG_CHARS:] or "-", language=None, wrap_lines=True)


def _row(one: Metric) -> list[str]:
    bounds = say.NOTHING if one.low is None or one.high is None else f"{one.low:.4g}–{one.high:.4g}"
    return [escape(one.task), escape(one.metric), f"<b>{one.value:.4g}</b>", escape(bounds)]
