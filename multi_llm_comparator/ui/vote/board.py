"""A session of votes as one goes through it: the open turn, who wrote what, and the ranking."""

from __future__ import annotations

from html import escape

import streamlit as st

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.ui.history.rows import state_of_run
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.actions import show_notices
from multi_llm_comparator.ui.kit.buttons import main_button
from multi_llm_comparator.ui.kit.failures import draw_failed_run
from multi_llm_comparator.ui.kit.i18n import t, tn
from multi_llm_comparator.ui.kit.shown_run import draw_elsewhere
from multi_llm_comparator.ui.vote.ranking import draw_ranking
from multi_llm_comparator.ui.vote.state import RUN, go_on, revealed_turn, reveals, set_reveals
from multi_llm_comparator.ui.vote.turn import draw_blind, draw_prompt, draw_revealed
from multi_llm_comparator.voting.snapshot import VotingSnapshot
from multi_llm_comparator.voting.turns import VoteTurn
from multi_llm_comparator.voting.vote_run import VoteRun

POLL_S, WATCH_S = 0.5, 2.0
_VIEWS = ("votes", "ranking")


def draw_board(run: VoteRun) -> None:
    """Everything of a session. The page asks for news only while it waits for answers."""
    view = _draw_views(run)
    if view == "ranking":
        # Alone: it names the models, and an open turn must not stand beside names.
        draw_ranking(run)
        return
    first = RUN.taken(run)
    shown = _place(run, first)

    @st.fragment(run_every=POLL_S if shown is None and first.is_running else WATCH_S if first.is_running else None)
    def live() -> None:
        show_notices()
        latest = RUN.taken(run)
        # A button in here may have chosen the other view, which is drawn outside.
        if st.session_state.get(_view_key(run.id)) == _VIEWS[1]:
            st.rerun()
        # From one turn to the next nothing outside changes: the next answers come with this very run.
        if latest.is_running != first.is_running or (_place(run, latest) is None) != (shown is None):
            st.rerun()
        _draw(run, latest)

    live()


def _draw_views(run: VoteRun) -> str:
    with st.container(horizontal=True, vertical_alignment="center", key="vote_views"):
        view = st.segmented_control(
            t("vote.view"),
            _VIEWS,
            # Another place may have chosen it already.
            default=None if _view_key(run.id) in st.session_state else _VIEWS[0],
            required=True,
            format_func=lambda name: t(f"vote.view_{name}"),
            key=_view_key(run.id),
            label_visibility="collapsed",
        )
        if view == _VIEWS[0]:
            st.toggle(
                t("vote.reveal"),
                reveals(),
                key=f"vote_reveal_{run.id}",
                help=t("vote.reveal_why"),
                on_change=lambda: set_reveals(bool(st.session_state[f"vote_reveal_{run.id}"])),
            )
    return view or _VIEWS[0]


def _place(run: VoteRun, snapshot: VotingSnapshot) -> tuple[str, int] | None:
    """What is shown: a turn that was revealed, or one that is open; None where there is none."""
    number = revealed_turn(run.id)
    if number is not None and _turn(snapshot, number) is not None:
        return ("revealed", number)
    turn = snapshot.open_turn
    return None if turn is None else ("open", turn.number)


def _turn(snapshot: VotingSnapshot, number: int) -> VoteTurn | None:
    return next((turn for turn in snapshot.voted if turn.number == number), None)


def _draw(run: VoteRun, snapshot: VotingSnapshot) -> None:
    _draw_status(snapshot)
    place = _place(run, snapshot)
    if place is None:
        _draw_between(run, snapshot)
        return
    kind, number = place
    if kind == "revealed" and (turn := _turn(snapshot, number)) is not None:
        draw_revealed(snapshot, turn)
    elif snapshot.open_turn is not None:
        draw_blind(run, snapshot, snapshot.open_turn)


def _draw_status(snapshot: VotingSnapshot) -> None:
    """How far it is. Nothing here may differ by who stands where."""
    draw_elsewhere(snapshot.owner)
    words = [escape(t("vote.given", done=say.count(snapshot.by_hand), total=say.count(snapshot.spec.turns)))]
    if not snapshot.is_running:
        words.insert(0, state_of_run(snapshot.state))
    if automatic := len(snapshot.voted) - snapshot.by_hand:
        words.append(escape(tn("vote.same_n", automatic)))
    if failed := sum(turn.state == "failed" for turn in snapshot.turns):
        words.append(escape(tn("vote.failed_n", failed)))
    pieces = "".join(f"<span>{word}</span>" for word in words)
    st.html(f'<div class="mlc-models" data-vote="{snapshot.state}" data-given="{snapshot.by_hand}">{pieces}</div>')
    if snapshot.error:
        targets = {one.id: one.target for one in snapshot.spec.contestants}
        answers = [one for turn in snapshot.turns if turn.state == "failed" for one in turn.answers if one.error]
        tried = [(one.error_type, one.answered_by or targets.get(one.contestant)) for one in answers]
        draw_failed_run(t("vote.failed_title"), snapshot.error, tried, "vote")


def _draw_between(run: VoteRun, snapshot: VotingSnapshot) -> None:
    """No turn is open: answers are being written, or there is nothing more to vote on."""
    if snapshot.is_running:
        _draw_writing(snapshot)
        return
    if snapshot.state == "done":
        st.html(f'<div class="mlc-empty"><h2>{escape(t("vote.done"))}</h2></div>')
    with st.container(horizontal=True, horizontal_alignment="center"):
        main_button(
            "vote.see_ranking",
            _see_ranking,
            run.id,
            icon="leaderboard",
            key="vote_see_ranking",
            shortcut="n",
            disabled=not snapshot.voted,
        )


def _draw_writing(snapshot: VotingSnapshot) -> None:
    """What is being asked, and for how long. One clock and one count for the turn: nothing tells its sides apart."""
    turn = snapshot.answering
    if turn is not None:
        draw_prompt(snapshot, turn)
    st.html(f'<div class="mlc-waiting" role="status">{escape(t("vote.waiting"))}</div>')
    if turn is not None and snapshot.answering_since is not None:
        took = say.seconds(max(0.0, now() - snapshot.answering_since))
        there = t("vote.answers_there", done=say.count(len(turn.answers)), total=say.count(len(turn.places)))
        # Of its own: a region that is read out must not have a clock in it.
        st.html(f'<div class="mlc-waiting" role="timer" data-vote-clock="1">{escape(f"{took} · {there}")}</div>')


def _see_ranking(run_id: str) -> None:
    go_on()
    st.session_state[_view_key(run_id)] = _VIEWS[1]


def _view_key(run_id: str) -> str:
    return f"vote_view_{run_id}"
