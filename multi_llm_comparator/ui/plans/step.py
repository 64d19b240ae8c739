"""A closer look at one step: what was asked, what was answered, when what happened, and what it took."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.metrics import step_metrics
from multi_llm_comparator.plans.plan_run import PlanRun
from multi_llm_comparator.plans.run_words import cost
from multi_llm_comparator.plans.step_run import StepAttempt, StepRun, StepState
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.choices import tone_of
from multi_llm_comparator.ui.kit.escaping import plain
from multi_llm_comparator.ui.kit.failures import draw_ways_out, failed_with, failure
from multi_llm_comparator.ui.kit.html_pieces import facts, model_label
from multi_llm_comparator.ui.kit.i18n import current_language, t, texts
from multi_llm_comparator.ui.kit.markdown import bounded, to_markdown
from multi_llm_comparator.ui.plans.state import picks, select_step, selected_step, solve_again
from multi_llm_comparator.ui.plans.targets import name_of
from multi_llm_comparator.ui.plans.tones import step_chip

MAX_SHOWN_CHARS = 20_000


def draw_step(run: PlanRun) -> None:
    """The step that was picked, with a box to pick another."""
    step_id = selected_step(run)
    if step_id is None:
        st.caption(t("plan.no_steps_yet"))
        return
    step = run.steps[step_id]
    _draw_choice(run, step_id)
    left, right = st.columns([3, 2], gap="medium")
    attempt = _chosen_attempt(step)
    with left:
        _draw_words(step, attempt)
    with right:
        st.html(facts(_figures(step)))
        st.html(_events(run, step, attempt))


def _draw_choice(run: PlanRun, step_id: str) -> None:
    key = f"plans_step_box_{run.id}_{picks()}"
    options = list(run.steps)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="plans_step_choice"):
        st.selectbox(
            t("plan.step"),
            options,
            options.index(step_id),
            key=key,
            format_func=lambda i: f"{i} · {run.steps[i].step.task}" if i in run.steps else str(i),
            label_visibility="collapsed",
            on_change=lambda: select_step(st.session_state[key]),
        )
        st.html(_head(run, run.steps[step_id]), width="content")
        if run.is_over and run.plan is not None:
            _draw_again(run.id, step_id)


def _draw_again(run_id: str, step_id: str) -> None:
    if quiet_button("plan.solve_again", icon="replay", key="plans_solve_again", why=True):
        solve_again(run_id, step_id)
        # This is drawn in a fragment, and the whole page has another run now.
        st.rerun()


def _head(run: PlanRun, step: StepRun) -> str:
    who = (step.attempts[-1].progress.answered_by if step.attempts else None) or step.target
    model = model_label(name_of(who), tone_of(who)) if who else f'<span class="mlc-muted">{t("plan.no_model")}</span>'
    return f'<span class="mlc-nowrap">{step_chip(step.state)} &nbsp;{model}</span>'


def _chosen_attempt(step: StepRun) -> StepAttempt | None:
    """The attempt to show: the last one, unless an earlier one was asked for."""
    if len(step.attempts) < 2:
        return step.attempts[-1] if step.attempts else None
    numbers = list(range(1, len(step.attempts) + 1))
    chosen = st.segmented_control(
        t("plan.attempts"),
        numbers,
        default=numbers[-1],
        required=True,
        format_func=lambda n: plain(f"{n} · {name_of(step.attempts[n - 1].target)}"),
        key=f"plans_attempt_{step.step.id}_{len(numbers)}",
    )
    return step.attempts[(chosen or numbers[-1]) - 1]


def _draw_words(step: StepRun, attempt: StepAttempt | None) -> None:
    prompt = attempt.prompt if attempt else step.step.task
    st.html(f'<div class="mlc-label">{escape(t("plan.prompt" if attempt else "plan.task"))}</div>')
    st.code(bounded(prompt, MAX_SHOWN_CHARS), language=None, wrap_lines=True)
    st.html(f'<div class="mlc-label">{escape(t("plan.step_answer"))}</div>')
    error, kind, who = step.error, None, step.target
    if attempt is not None and attempt.progress.error:
        error, (kind, who) = attempt.progress.error, failed_with(attempt.progress, attempt.target)
    if error:
        st.html(failure(kind, error, error_title(kind, step.state)))
        draw_ways_out([(kind, who)], f"plans_step_{step.step.id}")
    text = attempt.progress.text if attempt else step.answer
    if text:
        for block in to_markdown(bounded(text, MAX_SHOWN_CHARS), is_open=step.state == "running"):
            st.markdown(block, anchors=False)
        if step.was_cut and attempt is step.attempts[-1]:
            st.caption(t("plan.step_cut", limit=say.count(step.step.token)))
    elif not error:
        st.html(f'<div class="mlc-waiting">{escape(t(f"plan.waiting_{step.state}"))}</div>')


def error_title(kind: str | None, state: StepState | None = None) -> str:
    """What went wrong, in the reader's language; the details are the engine's own words."""
    known = texts(current_language())
    for key in (f"error.title.{kind}", f"plan.waiting_{state}"):
        if key in known:
            return t(key)
    return t("error.title.other")


def _figures(step: StepRun) -> list[tuple[str, str]]:
    known = step_metrics(step)
    speed = f"{say.speed(known.tokens_per_second)} {t('figure.speed_unit')}" if known.tokens_per_second else say.NOTHING
    return [
        (t("plan.step_difficulty"), f"{step.step.difficulty} / 10"),
        (t("plan.step_needs"), ", ".join(step.step.rely) or say.NOTHING),
        (t("plan.step_queue"), say.seconds(known.queued_s)),
        (t("plan.step_ttft"), say.seconds(known.ttft_s)),
        (t("plan.step_time"), say.seconds(known.duration_s)),
        *([(t("plan.step_loading"), say.seconds(known.loading_s))] if known.loading_s else []),
        (t("plan.step_tokens"), t("plan.step_tokens_of", n=say.count(known.tokens), limit=say.count(step.step.token))),
        (t("plan.step_prompt_tokens"), say.count(known.prompt_tokens)),
        (t("plan.step_speed"), speed),
        (t("plan.step_cost"), cost(known.cost_usd)),
        (t("plan.attempts"), say.count(known.attempts)),
    ]


def _events(run: PlanRun, step: StepRun, attempt: StepAttempt | None) -> str:
    """What happened when, counted from the start of the run."""
    moments = [("arrived", step.arrived_at or None, ""), ("ready", step.ready_at, ""), ("taken", step.started_at, "")]
    if attempt is not None:
        moments += _answer_moments(attempt.target, attempt.progress)
    moments.append((step.state, step.ended_at, ""))
    known = sorted(((name, at, what) for name, at, what in moments if at is not None), key=lambda m: m[1])
    rows = "".join(
        f"<li><span>+{say.seconds(max(0.0, at - run.created_at))}</span>"
        f"{escape(t(f'plan.event_{name}', what=what))}</li>"
        for name, at, what in known
    )
    return f'<div class="mlc-label">{escape(t("plan.events"))}</div><ol class="mlc-events">{rows}</ol>'


def _answer_moments(target: str, progress: AnswerProgress) -> list[tuple[str, float | None, str]]:
    return [
        ("asked", progress.requested_at, name_of(target)),
        ("loading", progress.loading_at, ""),
        ("reading", progress.started_at, name_of(progress.answered_by or target)),
        ("first", progress.first_token_at, ""),
    ]
