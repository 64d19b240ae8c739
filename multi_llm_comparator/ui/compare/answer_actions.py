"""The buttons under an answer: stop, again, go on, copy, look closer, and which attempt to show."""

from __future__ import annotations

from dataclasses import asdict

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot
from multi_llm_comparator.core.requests import UNREPEATABLE
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.ui.compare.answer_card import others_at_work
from multi_llm_comparator.ui.compare.answer_editor import draw_rewrite_button
from multi_llm_comparator.ui.compare.answer_marks import draw_marks_button, marks_line
from multi_llm_comparator.ui.compare.state import draft_panes, ensure_run
from multi_llm_comparator.ui.compare.telling_apart import parameter_name
from multi_llm_comparator.ui.compare.token_view import draw_token_button
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import perform
from multi_llm_comparator.ui.kit.buttons import button, quiet_button
from multi_llm_comparator.ui.kit.copy_button import copy_button
from multi_llm_comparator.ui.kit.failures import draw_ways_out, failed_with
from multi_llm_comparator.ui.kit.html_pieces import fact_name, facts
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.workbench import get_workbench

_LOOKED_AT = "compare_looked_at"
_MEMORY_ERRORS = ("InsufficientMemoryError",)


def draw_actions(
    comparison: Comparison, turn: TurnSnapshot, answer: AnswerSnapshot, *, is_current: bool, shared: bool
) -> None:
    """One row of buttons. ``is_current`` answers are their pane's latest: only those can be made again or go on."""
    key = f"{turn.index}_{answer.pane_id}"
    if marks := marks_line(answer):
        st.html(marks)
    with st.container(horizontal=True, vertical_alignment="center", key=f"acts_{key}", wrap=True):
        if not answer.progress.is_over:
            if quiet_button("act.stop", icon="stop_circle", key=f"stop_{key}"):
                perform(comparison.stop(answer.pane_id), comparison.id)
                st.rerun()
        elif is_current:
            _draw_again(comparison, answer, key)
        if answer.text and answer.progress.is_over:
            copy_button(answer.text, t("act.copy"), key=f"copy_{key}")
        _draw_closer_look(answer, key)
        draw_token_button(answer, key)
        if is_current and answer.text and answer.progress.is_over:
            draw_rewrite_button(comparison.id, answer, key)
        if answer.progress.is_over:
            draw_marks_button(answer, key)
        if answer.attempts > 1:
            _draw_attempts(comparison, turn, answer, key)
        if shared and answer.text and answer.progress.is_over:
            _draw_choice(comparison, turn, answer, key)


def _draw_again(comparison: Comparison, answer: AnswerSnapshot, key: str) -> None:
    if answer.can_continue:
        _draw_continue(comparison, answer, key)
    if answer.can_retry:
        again = quiet_button("act.retry", icon="replay", key=f"retry_{key}", why=True)
    else:
        again = quiet_button("act.again", icon="refresh", key=f"icon_again_{key}", why=True)
    if again:
        _restart(comparison, answer)
    if _repeats(answer.pane_id) and not answer.can_retry and _draw_another(key):
        _restart(comparison, answer, new_seed=True)
    if answer.progress.error_type in _MEMORY_ERRORS:
        if quiet_button("act.make_room", icon="memory", key=f"room_{key}"):
            _make_room()
            _restart(comparison, answer)
    else:
        draw_ways_out([failed_with(answer.progress, answer.target)], key)


def _draw_continue(comparison: Comparison, answer: AnswerSnapshot, key: str) -> None:
    """Where an answer was cut this is what one wants next, so it says its name."""
    if button(
        "act.go_on",
        icon="resume",
        key=f"go_on_{key}" if answer.is_cut else f"icon_go_on_{key}",
        why=True,
        type="secondary" if answer.is_cut else "tertiary",
    ):
        perform(comparison.continue_(answer.pane_id), comparison.id)
        st.rerun()


def _draw_another(key: str) -> bool:
    return quiet_button("act.another", icon="casino", key=f"icon_another_{key}", why=True)


def _repeats(pane_id: str) -> bool:
    """Whether the pane has a seed of its own, with which asking again brings nothing new, and chance a part in it."""
    configs = [pane.config for pane in draft_panes() if pane.id == pane_id]
    return any(config.seed is not None and not config.is_greedy for config in configs)


def _restart(comparison: Comparison, answer: AnswerSnapshot, *, new_seed: bool = False) -> None:
    """Retry what failed as it was; make anything else again with the parameters as they are set now."""
    if answer.can_retry:
        perform(comparison.retry(answer.pane_id), comparison.id)
    elif ensure_run(draft_panes()) is not None:
        perform(comparison.regenerate(answer.pane_id, new_seed=new_seed), comparison.id)
    st.rerun()


def _make_room() -> None:
    """Unload every model that is doing nothing."""
    engine = get_workbench().engine
    for loaded in engine.loaded_models():
        if not loaded.active:
            perform(engine.unload(loaded.model_id))


def _draw_attempts(comparison: Comparison, turn: TurnSnapshot, answer: AnswerSnapshot, key: str) -> None:
    def show(attempt: int) -> None:
        perform(comparison.select_attempt(turn.index, answer.pane_id, attempt), comparison.id)

    with st.container(horizontal=True, vertical_alignment="center", width="content", gap=None, key=f"attempts_{key}"):
        quiet_button(
            "act.earlier_attempt",
            show,
            answer.attempt - 1,
            icon="chevron_left",
            key=f"icon_earlier_{key}",
            disabled=answer.attempt <= 1,
        )
        st.html(f'<span class="mlc-muted mlc-nowrap">{answer.attempt}/{answer.attempts}</span>', width="content")
        quiet_button(
            "act.later_attempt",
            show,
            answer.attempt + 1,
            icon="chevron_right",
            key=f"icon_later_{key}",
            disabled=answer.attempt >= answer.attempts,
        )


def _draw_choice(comparison: Comparison, turn: TurnSnapshot, answer: AnswerSnapshot, key: str) -> None:
    """In a shared thread: which answer the conversation goes on from."""
    chosen = turn.chosen == answer.pane_id
    if quiet_button(
        "act.chosen" if chosen else "act.choose",
        icon="radio_button_checked" if chosen else "radio_button_unchecked",
        key=f"choose_{key}",
        help=t("act.choose_why"),
    ):
        perform(comparison.choose(turn.index, answer.pane_id), comparison.id)
        st.rerun()


def _draw_closer_look(answer: AnswerSnapshot, key: str) -> None:
    """The dialog itself is drawn outside the fragment that polls: a poll would close it."""
    if quiet_button("act.look", icon="info", key=f"icon_look_{key}", why=True):
        st.session_state[_LOOKED_AT] = (answer.turn, answer.pane_id)
        st.rerun()


def draw_closer_look(snapshot: ComparisonSnapshot) -> None:
    """The dialog about one answer, if one was asked for: the prompt as the model saw it, parameters, versions, text."""
    turn, pane_id = st.session_state.get(_LOOKED_AT, (None, ""))
    if turn is None or turn >= len(snapshot.turns) or pane_id not in snapshot.turns[turn].answers:
        return
    answer = snapshot.turns[turn].answers[pane_id]

    @st.dialog(tm("look.title", model=answer.model_name), width="medium", on_dismiss=_look_away)
    def dialog() -> None:
        progress = answer.progress
        prompt, raw, parameters, origin = st.tabs(
            [t("look.prompt"), t("look.raw"), t("look.parameters"), t("look.origin")]
        )
        with prompt:
            st.caption(t("look.prompt_why", tokens=say.count(answer.legs[0].prompt_tokens)))
            unsaid = t("look.unsaid" if progress.is_over else "look.not_yet")
            st.code(answer.legs[0].prompt or unsaid, language=None, wrap_lines=True)
        with raw:
            st.code(answer.text or t("look.not_yet"), language=None, wrap_lines=True)
        with parameters:
            used = {**asdict(answer.config), "seed": progress.seed if progress.seed is not None else answer.config.seed}
            st.caption(_mode(answer))
            st.html(facts([(parameter_name(name), _plain(value)) for name, value in used.items()]))
        with origin:
            st.html(facts(_origin(answer)))

    dialog()


def _mode(answer: AnswerSnapshot) -> str:
    """Whether the answer can be repeated."""
    if not answer.config.reproducible:
        return t("look.not_reproducible")
    return t("param.reproducible_remote" if UNREPEATABLE in answer.progress.notes else "look.reproducible")


def _look_away() -> None:
    st.session_state.pop(_LOOKED_AT, None)


def _origin(answer: AnswerSnapshot) -> list[tuple[str, str]]:
    model = answer.model
    return [
        (t("look.model"), model.name or answer.target),
        (t("look.answered_by"), answer.progress.answered_by or say.NOTHING),
        (t("look.path"), model.path or say.NOTHING),
        (t("look.hash"), model.fingerprint or t("look.not_yet")),
        *[(fact_name(name), str(value)) for name, value in model.metadata.items() if value not in (None, "")],
        *([(t("look.shared"), others)] if (others := others_at_work(answer.figures)) else []),
        *[(t("look.note"), note) for note in answer.progress.notes],
        (t("look.started"), say.moment(answer.created_at, st.context.timezone)),
        *answer.versions.items(),
        (t("look.log"), str(get_settings().home / "logs")),
    ]


def _plain(value: object) -> str:
    if value is None or value in ("", ()):
        return say.NOTHING
    if isinstance(value, bool):
        return t("models.yes" if value else "models.no")
    return ", ".join(map(repr, value)) if isinstance(value, tuple) else str(value)
