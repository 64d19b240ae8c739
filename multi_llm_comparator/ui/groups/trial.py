"""Ask a group and watch: the answer as it comes, who gave it, and every attempt on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from html import escape

import streamlit as st

from multi_llm_comparator.core.asking import ask
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.events import Attempted, AttemptFailed, CacheHit, Event, FellBack, Finished, Retrying
from multi_llm_comparator.core.requests import GenerationRequest, Message, TextSource
from multi_llm_comparator.core.timings import AnswerProgress
from multi_llm_comparator.plans.executor import exact_config
from multi_llm_comparator.ui.groups.group_list import rule_name
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.choices import Choice, named_choices, tone_of
from multi_llm_comparator.ui.kit.failures import draw_ways_out, failed_with, failure
from multi_llm_comparator.ui.kit.html_pieces import model_label, state_chip
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.markdown import bounded, to_markdown
from multi_llm_comparator.ui.kit.said import said
from multi_llm_comparator.workbench import Workbench, get_workbench

POLL_S = 0.25
MAX_PROMPT_CHARS = 4000
MAX_TOKENS = 300
# An endpoint may send more than it was asked for.
MAX_SHOWN_CHARS = 20_000
_TRIAL = "groups_trial"


class Trial:
    """One request, which goes on whoever is looking. ``run`` belongs to the event loop, the rest to anybody."""

    def __init__(self, target: str, prompt: str) -> None:
        self.target, self.prompt = target, prompt
        self.progress = AnswerProgress(requested_at=now())
        self.story: list[Event] = []
        self._running: Future[None] | None = None

    def start(self, workbench: Workbench) -> None:
        self._running = workbench.bridge.submit(self.run(workbench.gateway))

    def wait(self, timeout_s: float) -> None:
        """Until it is over."""
        if self._running is not None:
            self._running.result(timeout_s)

    def stop(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def run(self, source: TextSource) -> None:
        config = exact_config(MAX_TOKENS)
        request = GenerationRequest(messages=(Message("user", self.prompt),), config=config)
        try:
            await ask(source, self.target, request, self.progress, self._note)
        except asyncio.CancelledError:
            self.progress.apply(self._stopped(request.id))
            raise

    def _stopped(self, request_id: str) -> Finished:
        so_far = self.progress
        return Finished(
            request_id=request_id,
            reason="cancelled",
            prompt_tokens=so_far.prompt_tokens,
            completion_tokens=so_far.tokens,
        )

    def _note(self, event: Event) -> None:
        if isinstance(event, Attempted | AttemptFailed | Retrying | FellBack | CacheHit):
            self.story.append(event)


def draw_trial() -> None:
    """A target, a prompt, a button; below them what came of it. Nothing while there is nobody to ask."""
    workbench = get_workbench()
    choices = named_choices(workbench.gateway.groups, lambda name: workbench.models.find(name) is not None)
    if not choices:
        return
    with st.container(border=True, key="groups_trial_box"):
        _draw_form(workbench, choices)
        trial: Trial | None = st.session_state.get(_TRIAL)
        if trial is not None:
            _draw_watch(trial)


def _draw_form(workbench: Workbench, choices: dict[str, Choice]) -> None:
    with st.form("groups_trial_form", border=False), st.container(horizontal=True, vertical_alignment="bottom"):
        target = st.selectbox(
            t("trial.target"),
            # Groups before what they are made of: this page is about them.
            sorted(choices, key=lambda name: choices[name].kind == "remote"),
            key="groups_trial_target",
            format_func=lambda name: choices[name].label if name in choices else name,
            width=300,
        )
        prompt = st.text_input(
            t("trial.prompt"), t("trial.example"), key="groups_trial_prompt", max_chars=MAX_PROMPT_CHARS
        )
        asked = st.form_submit_button(t("trial.ask"), type="primary", icon=":material/send:", key="groups_trial_ask")
    if asked and target and prompt.strip():
        if (earlier := st.session_state.get(_TRIAL)) is not None:
            earlier.stop()
        trial = st.session_state[_TRIAL] = Trial(target, prompt)
        trial.start(workbench)


def _draw_watch(trial: Trial) -> None:
    is_running = not trial.progress.is_over

    @st.fragment(run_every=POLL_S if is_running else None)
    def watch() -> None:
        _draw_answer(trial)
        if is_running and trial.progress.is_over:
            st.rerun()

    watch()


def _draw_answer(trial: Trial) -> None:
    progress = trial.progress
    with st.container(horizontal=True, vertical_alignment="center", key="groups_trial_head"):
        st.html(_head(trial), width="stretch")
        if not progress.is_over and quiet_button("act.stop", icon="stop_circle", key="groups_trial_stop"):
            trial.stop()
    with st.container(key="groups_trial_text"):
        if progress.text:
            for block in to_markdown(
                bounded(progress.text, MAX_SHOWN_CHARS, from_end=not progress.is_over), is_open=not progress.is_over
            ):
                st.markdown(block, anchors=False)
        if progress.state == "failed":
            st.html(failure(progress.error_type, progress.error or ""))
            draw_ways_out([failed_with(progress, trial.target)], "groups_trial", here="groups")
    if story := _story(trial):
        st.html(story)


def _head(trial: Trial) -> str:
    progress = trial.progress
    facts = [escape(trial.target)]
    if progress.state == "queued" and progress.ahead:
        facts.append(escape(tn("waiting.ahead", progress.ahead)))
    if progress.answered_by and progress.text:
        facts.append(f"{escape(t('trial.by'))} {model_label(progress.answered_by, tone_of(progress.answered_by))}")
    if progress.is_over and progress.text:
        facts += [
            escape(t("trial.tokens", n=say.count(progress.tokens))),
            escape(t("figure.ttft")) + " " + say.seconds(progress.ttft_s),
            say.dollars(progress.cost_usd) if progress.cost_usd is not None else escape(t("trial.no_price")),
        ]
    return f'{state_chip(progress.state)} <span class="mlc-muted">{" · ".join(facts)}</span>'


@dataclass
class Leg:
    """One attempt as the page tells it: to whom, why there, and how it went."""

    model: str
    why: str
    how: str = ""
    failed: bool = False


def legs_of(story: Sequence[Event]) -> list[Leg]:
    """The attempts of a request in their order."""
    legs: list[Leg] = []
    why = ""
    for event in story:
        match event:
            case FellBack(strategy=strategy):
                why = t("trial.fell_back", rule=rule_name(strategy))
            case Retrying(delay_s=delay_s):
                why = t("trial.retried", seconds=say.seconds(delay_s))
            case CacheHit(model=model, age_s=age_s):
                legs.append(Leg(model, "", t("trial.cached", seconds=say.seconds(age_s))))
            case Attempted(model=model):
                legs.append(Leg(model, why))
                why = ""
            case AttemptFailed(message=message, seconds=seconds):
                legs[-1].how = t("trial.failed", seconds=say.seconds(seconds), reason=said(message))
                legs[-1].failed = True
    return legs


def _story(trial: Trial) -> str:
    legs = legs_of(list(trial.story))
    if legs and not legs[-1].how:
        legs[-1].how = t(f"state.{trial.progress.state}")
    return f'<ol class="mlc-story">{"".join(map(_line, legs))}</ol>' if legs else ""


def _line(leg: Leg) -> str:
    kind = ' class="mlc-failed"' if leg.failed else ""
    told = " · ".join(filter(None, (leg.why, leg.how)))
    return f"<li{kind}>{model_label(leg.model, tone_of(leg.model))} <span>{escape(told)}</span></li>"
