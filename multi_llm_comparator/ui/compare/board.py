"""The conversation: each prompt across the page, the answers to it side by side, live while they are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from time import monotonic, sleep

import streamlit as st

from multi_llm_comparator.comparison.comparison import Comparison
from multi_llm_comparator.comparison.repeats import repeats_of
from multi_llm_comparator.comparison.snapshots import AnswerSnapshot, ComparisonSnapshot, TurnSnapshot
from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.ui.compare import answer_card as card
from multi_llm_comparator.ui.compare.answer_actions import draw_actions
from multi_llm_comparator.ui.compare.fair_row import reference_pane
from multi_llm_comparator.ui.compare.prompt_editor import draw_edit_button
from multi_llm_comparator.ui.compare.state import followed
from multi_llm_comparator.ui.compare.telling_apart import differences_line, told_apart
from multi_llm_comparator.ui.compare.turn_chart import draw_chart, has_times
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.buttons import quiet_button
from multi_llm_comparator.ui.kit.html_pieces import letter, thumbnail
from multi_llm_comparator.ui.kit.i18n import t, tm
from multi_llm_comparator.ui.kit.palette import Tone, pane_tones
from multi_llm_comparator.ui.kit.scrolling import follow_ends, scroll_to

# A browser takes up to a tenth of a second of a core to draw what is new: on a small machine, from the models.
POLL_S = 0.4 if available_cpus() <= 4 else 0.15
WATCH_S = 2.0
TURNS_SHOWN = 8
_LONG_PROMPT_CHARS = 700
_LIVE, _AHEAD = "compare_live", "compare_live_ahead"
FIRST_WORDS_S, SETTLE_S = 0.4, 0.15
FIRST_WORDS_POLL_S = 0.02

# By turn and pane: where the first words will stand.
_Waiting = dict[tuple[int, str], card.Waiting]


def draw_board(comparison: Comparison) -> None:
    """All turns; those with a running answer, and the last, are redrawn several times a second while one runs."""
    snapshot = comparison.snapshot()
    first_live = _first_live(snapshot)
    earliest = _draw_earlier_button(comparison.id, first_live)
    for turn in snapshot.turns[earliest:first_live]:
        _draw_turn(comparison, snapshot, turn)

    waiting: _Waiting = {}

    @st.fragment(key=_LIVE, run_every=POLL_S if snapshot.is_running else None)
    def live() -> None:
        show_notices()
        now_there = followed(comparison)
        latest = now_there.snapshot()
        waiting.clear()
        if now_there.owner is not None:
            words = tm("board.elsewhere", pid=now_there.owner.pid, host=now_there.owner.host)
            st.info(words, icon=":material/visibility:")
        _draw_save_notes(latest)
        for turn in latest.turns[first_live:]:
            waiting.update(_draw_turn(comparison, latest, turn))
        follow_ends(_growing(latest.turns[first_live:]))
        if len(latest.turns) > 1 and (mark := st.session_state.get("compare_scroll_mark")):
            scroll_to(f"st-key-turn_prompt_{len(latest.turns) - 1}", mark)
        is_ahead = st.session_state.pop(_AHEAD, False)
        if is_ahead or _is_reading(latest.turns[first_live:]):
            _show_first_words(comparison, waiting)
        if is_ahead:
            # Drawing the whole page keeps a browser from showing what it has just been sent.
            sleep(SETTLE_S)
        if is_ahead or latest.is_running != snapshot.is_running:
            st.rerun()

    st.session_state.pop(_AHEAD, None)
    live()
    st.session_state[_LIVE] = comparison.id
    if snapshot.is_running:
        _show_first_words(comparison, waiting)
    else:
        _watch(comparison, snapshot.version)


def draw_new_turn(comparison: Comparison) -> None:
    """To be called by what has just asked: draws the new turn first where the page shows the run already, then all.

    All has to follow, whatever happens meanwhile: a browser that asks for the whole page stops asking for parts of it.
    """
    if st.session_state.get(_LIVE) == comparison.id:
        st.session_state[_AHEAD] = True
        st.rerun(_LIVE)


def _show_first_words(comparison: Comparison, waiting: _Waiting) -> None:
    """Put first words into their places as they come, for a moment.

    A browser asks for the next state only when it has drawn this one, some tenths of a second later; what is sent with
    this one is drawn with it.
    """
    until = monotonic() + FIRST_WORDS_S
    while waiting and monotonic() < until:
        sleep(FIRST_WORDS_POLL_S)
        turns = comparison.snapshot().turns
        for (turn, pane_id), place in list(waiting.items()):
            answer = turns[turn].answers[pane_id]
            if answer.progress.is_over or card.draw_first_words(answer, place):
                del waiting[turn, pane_id]


def _is_reading(turns: Sequence[TurnSnapshot]) -> bool:
    """Whether first words can come at any moment."""
    return any(answer.progress.state == "prefill" for turn in turns for answer in turn.answers.values())


def _watch(comparison: Comparison, version: int) -> None:
    """Another tab may change the same run: look now and then, draw only when something happened."""

    @st.fragment(run_every=WATCH_S)
    def watch() -> None:
        if comparison.snapshot().version != version:
            st.rerun()

    watch()


def _first_live(snapshot: ComparisonSnapshot) -> int:
    running = (
        turn.index
        for turn in snapshot.turns
        if any(not answer.progress.is_over for attempts in turn.attempts.values() for answer in attempts)
    )
    return min(running, default=max(0, len(snapshot.turns) - 1))


def _draw_earlier_button(run_id: str, first_live: int) -> int:
    """Long conversations show their last turns; a button brings the others. Returns the first turn to show."""
    shown: int = st.session_state.get(f"compare_shown_{run_id}", TURNS_SHOWN)
    hidden = max(0, first_live - shown)
    if hidden and quiet_button("board.earlier", icon="expand_less", values={"n": hidden}, width="stretch"):
        st.session_state[f"compare_shown_{run_id}"] = shown + 5 * TURNS_SHOWN
        st.rerun()
    return hidden


def _growing(turns: Sequence[TurnSnapshot]) -> list[str]:
    """Where the answers that are being written stand."""
    return [
        f"st-key-text_{turn.index}_{answer.pane_id}"
        for turn in turns
        for answer in turn.answers.values()
        if not answer.progress.is_over
    ]


def _draw_turn(comparison: Comparison, snapshot: ComparisonSnapshot, turn: TurnSnapshot) -> _Waiting:
    """Returns where first words are awaited."""
    long = " mlc-long" if len(turn.prompt) > _LONG_PROMPT_CHARS else ""
    key = f"turn_prompt_{turn.index}"
    with st.container(key=key, horizontal=True, vertical_alignment="center", gap="xsmall", wrap=False):
        images = snapshot.images_of(turn)
        # The larger ones only where nothing is drawn several times a second.
        opens = all(answer.progress.is_over for answer in turn.answers.values())
        shown = "".join(thumbnail(image, opens=opens) for image in images)
        asked = f'<div class="mlc-asked-row">{shown}</div>' if shown else ""
        st.html(f'{asked}<div class="mlc-prompt{long}" role="heading" aria-level="2">{escape(turn.prompt)}</div>')
        draw_edit_button(snapshot.id, turn.index, turn.prompt, images)
    order = [pane.id for pane in snapshot.panes]
    pane_ids = sorted(turn.answers, key=lambda pane_id: order.index(pane_id) if pane_id in order else len(order))
    answers = [turn.answers[pane_id] for pane_id in pane_ids]
    tones = pane_tones([answer.model.id for answer in answers])
    told = told_apart(answers)
    if differences := differences_line(answers):
        st.html(differences)
    reference = _reference(answers)
    places: _Waiting = {}
    with st.container(key=f"turn_answers_{turn.index}"):
        for index, (answer, column) in enumerate(zip(answers, st.columns(len(answers)), strict=True)):
            look = _Look(index, tones[index], told[index], None if answer.pane_id == reference_pane() else reference)
            with column:
                waiting = _draw_answer(comparison, snapshot, turn, answer, look)
            if waiting is not None:
                places[turn.index, answer.pane_id] = waiting
    if turn.index == len(snapshot.turns) - 1 and has_times(answers):
        draw_chart(answers, tones, told, key=f"chart_{turn.index}")
    return places


@dataclass(frozen=True)
class _Look:
    """What an answer looks like among the others of its turn."""

    index: int
    tone: Tone
    told: str
    reference: card.Reference | None


def _reference(answers: Sequence[AnswerSnapshot]) -> card.Reference | None:
    """The answer that the others are compared with, once it is over."""
    chosen = reference_pane()
    for index, answer in enumerate(answers):
        if answer.pane_id == chosen and answer.progress.is_over and answer.text:
            return card.Reference(letter(index), answer.text)
    return None


def _draw_answer(
    comparison: Comparison,
    snapshot: ComparisonSnapshot,
    turn: TurnSnapshot,
    answer: AnswerSnapshot,
    look: _Look,
) -> card.Waiting | None:
    key = f"{turn.index}_{answer.pane_id}"
    with st.container(border=True, height="stretch", key=f"card_{key}"):
        head = card.draw_head(answer, look.index, look.tone, look.told)
        place = card.draw_text(answer, key, look.reference)
        card.draw_figures(answer, repeats_of(answer, turn.attempts[answer.pane_id]) if answer.attempts > 1 else None)
        draw_actions(
            comparison,
            turn,
            answer,
            is_current=_is_latest(snapshot, turn, answer.pane_id),
            shared=snapshot.shared_thread,
        )
    return None if place is None else card.Waiting(look.index, look.tone, look.told, head, place)


def _is_latest(snapshot: ComparisonSnapshot, turn: TurnSnapshot, pane_id: str) -> bool:
    """Whether a button on this answer would act on it: the pane still exists and was not asked again since."""
    if all(pane.id != pane_id for pane in snapshot.panes):
        return False
    return all(pane_id not in later.answers for later in snapshot.turns[turn.index + 1 :])


def _draw_save_notes(snapshot: ComparisonSnapshot) -> None:
    """Beside what is being written, so that it shows while that goes on."""
    if snapshot.branched_from:
        st.info(t("board.branched"), icon=":material/call_split:")
    if snapshot.save_error:
        st.warning(tm("board.not_saved", reason=snapshot.save_error), icon=":material/cloud_off:")
