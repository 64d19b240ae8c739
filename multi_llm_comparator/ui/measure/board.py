"""An evaluation as one watches it: how far each model is, the verdict, the numbers, and the answers behind them."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.evaluation.measuring.results import Results, results_of
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.evaluation.measuring.snapshot import EvaluationSnapshot, SubjectProgress
from multi_llm_comparator.ui.history.rows import state_of_run
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.failures import Failed, draw_failed_run
from multi_llm_comparator.ui.kit.html_pieces import model_label
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.shown_run import draw_elsewhere, watch
from multi_llm_comparator.ui.measure.answers import was_scored_by_hand
from multi_llm_comparator.ui.measure.by_tag import draw_by_tag
from multi_llm_comparator.ui.measure.history import draw_history
from multi_llm_comparator.ui.measure.matrix import draw_matrix
from multi_llm_comparator.ui.measure.numbers import draw_numbers, draw_remarks, draw_verdicts
from multi_llm_comparator.ui.measure.opening import go_where_wanted
from multi_llm_comparator.ui.measure.state import RUN
from multi_llm_comparator.ui.measure.tradeoff import draw_openers, draw_tradeoff

POLL_S = 1.0
# The table of answers is drawn anew less often than the bars: a browser takes its time for it.
MATRIX_POLL_S = 4.0


def draw_board(run: EvaluationRun) -> None:
    """Everything of a run; redrawn every second while it is at work."""
    first = RUN.taken(run)

    @st.fragment(run_every=POLL_S if first.is_running else None)
    def live() -> None:
        show_notices()
        latest = RUN.taken(run)
        if latest.is_running != first.is_running:
            st.rerun()
        _draw_status(latest)
        if latest.is_running or latest.failed:
            _draw_progress(latest)
        if latest.cells:
            results = cached_results(latest)
            draw_verdicts(latest, results)
            draw_remarks(latest)
            draw_numbers(latest, results)
            draw_openers(latest, results)
            draw_tradeoff(latest, results)
        go_where_wanted(run.id)

    @st.fragment(run_every=MATRIX_POLL_S if first.is_running else None)
    def answers() -> None:
        draw_matrix(run)
        # What is said of a judge changes with one's own scores, and stands in the other fragment.
        if was_scored_by_hand() and not first.is_running:
            st.rerun()

    live()
    answers()
    if not first.is_running:
        draw_by_tag(first)
        draw_history(first)
        watch(run)


def cached_results(snapshot: EvaluationSnapshot) -> Results:
    """What it found; added up once for each state of it."""
    key = "measure_results"
    known = st.session_state.get(key)
    if known is None or known[0] != (snapshot.id, snapshot.version):
        known = (snapshot.id, snapshot.version), results_of(snapshot)
        st.session_state[key] = known
    found: Results = known[1]
    return found


def _draw_status(snapshot: EvaluationSnapshot) -> None:
    draw_elsewhere(snapshot.owner)
    words = [state_of_run(snapshot.state)]
    if snapshot.phase:
        words.append(escape(t(f"measure.phase_{snapshot.phase}")))
    if snapshot.phase == "judging":
        words.append(escape(t("measure.judged", done=snapshot.judged[0], total=snapshot.judged[1])))
    if snapshot.is_running and (left := snapshot.left_s):
        words.append(escape(t("measure.left", time=say.seconds(left))))
    if snapshot.items:
        words.append(escape(tn("measure.items", len(snapshot.items))))
    pieces = "".join(f"<span>{word}</span>" for word in words)
    st.html(f'<div class="mlc-models" data-measure="{snapshot.state}">{pieces}</div>')
    if snapshot.error:
        draw_failed_run(t("measure.failed_title"), snapshot.error, failures_of(snapshot), "measure_run")


def failures_of(snapshot: EvaluationSnapshot) -> list[Failed]:
    """What answers failed with, and whose they are."""
    targets = {subject.id: subject.target for subject in snapshot.spec.subjects}
    cells = [(key.subject, cell) for key, cell in snapshot.cells.items() if cell.error]
    return [(cell.error_type, cell.answered_by or targets.get(subject)) for subject, cell in cells]


def _draw_progress(snapshot: EvaluationSnapshot) -> None:
    rows = "".join(_progress_row(snapshot, progress) for progress in snapshot.progress)
    st.html(f'<div class="mlc-measure-bars">{rows}</div>')


def _progress_row(snapshot: EvaluationSnapshot, progress: SubjectProgress) -> str:
    subject = snapshot.spec.subject(progress.subject)
    tone = tone_of(subject.target)
    facts = [f"{say.count(progress.done + progress.failed)} / {say.count(progress.total)}"]
    if progress.failed:
        facts.append(tn("measure.failed_n", progress.failed))
    if progress.items_per_s:
        facts.append(t("measure.rate", rate=f"{progress.items_per_s:.2g}"))
    if progress.left_s and snapshot.is_running:
        facts.append(t("measure.left", time=say.seconds(progress.left_s)))
    width = f"{100 * progress.share:.1f}%"
    return (
        f'<div class="mlc-measure-row" data-subject="{progress.subject}" data-done="{progress.done}">'
        f"{model_label(subject.name, tone)}"
        f'<div class="mlc-bar"><span style="width:{width};--tone:{tone.css}"></span></div>'
        f'<span class="mlc-muted">{escape(" · ".join(facts))}</span></div>'
    )
