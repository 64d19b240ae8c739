"""Whatever events come, in whatever order, from however many panes: a snapshot is whole and never changes."""

from __future__ import annotations

import contextlib
import copy
import threading
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from multi_llm_comparator.comparison.answer import Curve
from multi_llm_comparator.comparison.conversation import Conversation
from multi_llm_comparator.comparison.documents import answer_items, conversation_from, run_record
from multi_llm_comparator.comparison.limits import MAX_CURVE_POINTS
from multi_llm_comparator.comparison.pane import Pane
from multi_llm_comparator.comparison.snapshots import ComparisonSnapshot, ModelFacts
from multi_llm_comparator.core.events import (
    Contended,
    Event,
    Failed,
    Finished,
    Loaded,
    Loading,
    Queued,
    Started,
    TextDelta,
)
from multi_llm_comparator.core.exceptions import MultiLLMError

PANE_IDS = ("a", "b", "c")
moments = st.floats(1, 1e6)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
event = st.one_of(
    st.builds(Queued, request_id=st.just("r"), at=moments, ahead=st.integers(0, 3)),
    st.builds(Loading, request_id=st.just("r"), at=moments, model=st.just("m")),
    st.builds(Loaded, request_id=st.just("r"), at=moments, model=st.just("m"), seconds=st.floats(0, 10)),
    st.builds(Started, request_id=st.just("r"), at=moments, prompt_tokens=st.integers(0, 9), prompt=texts),
    st.builds(TextDelta, request_id=st.just("r"), at=moments, text=texts, tokens=st.integers(0, 99)),
    st.builds(Contended, request_id=st.just("r"), at=moments, others=st.tuples(texts)),
    st.builds(
        Finished,
        request_id=st.just("r"),
        at=moments,
        reason=st.sampled_from(["stop", "length", "cancelled"]),
        prompt_tokens=st.integers(0, 9),
        completion_tokens=st.integers(0, 99),
    ),
    st.builds(Failed, request_id=st.just("r"), at=moments, error_type=st.just("InferenceError"), message=texts),
)
step = st.one_of(
    st.tuples(st.just("send"), st.sets(st.sampled_from(PANE_IDS), min_size=1)),
    st.tuples(st.just("again"), st.sampled_from(PANE_IDS)),
    st.tuples(st.just("continue"), st.sampled_from(PANE_IDS)),
    st.tuples(st.just("select"), st.tuples(st.integers(-1, 3), st.sampled_from(PANE_IDS), st.integers(0, 4))),
    st.tuples(st.just("choose"), st.tuples(st.integers(-1, 3), st.sampled_from(PANE_IDS))),
    st.tuples(st.just("share"), st.booleans()),
    st.tuples(st.just("event"), st.tuples(st.sampled_from(PANE_IDS), event)),
)


def take(conversation: Conversation, kind: str, detail: Any) -> None:
    match kind, detail:
        case "send", set(panes):
            turn = conversation.add_turn("prompt")
            for pane_id in sorted(panes):
                conversation.add_answer(turn, conversation.pane(pane_id), ModelFacts(name="m"), {})
        case "again", str(pane_id):
            conversation.add_answer(conversation.last_turn_of(pane_id), conversation.pane(pane_id), ModelFacts(), {})
        case "continue", str(pane_id):
            conversation.continue_answer(conversation.last_answer_of(pane_id))
        case "select", (int(number), pane_id, attempt):
            conversation.select_attempt(number, pane_id, attempt)
        case "choose", (int(number), pane_id):
            conversation.choose(number, pane_id)
        case "share", bool(shared):
            conversation.set_shared_thread(shared)
        case "event", (pane_id, Event() as happened):
            answer = conversation.last_answer_of(pane_id)
            conversation.apply(answer, answer.legs[-1], happened)


def after_all(steps: list[Any]) -> ComparisonSnapshot:
    """What a conversation is after them; those that it refuses change nothing."""
    conversation = Conversation([Pane(pane_id, "m") for pane_id in PANE_IDS], title="t")
    take(conversation, "send", {"a", "b"})
    for kind, detail in steps:
        with contextlib.suppress(MultiLLMError):
            take(conversation, kind, detail)
    return conversation.snapshot()


def check(snapshot: ComparisonSnapshot) -> None:
    every = [a for turn in snapshot.turns for attempts in turn.attempts.values() for a in attempts]
    assert snapshot.is_running == any(not answer.progress.is_over for answer in every)
    for turn in snapshot.turns:
        assert set(turn.answers) == set(turn.attempts)
        assert turn.chosen is None or turn.answers[turn.chosen].text
        for pane_id, attempts in turn.attempts.items():
            assert turn.answers[pane_id] in attempts
            assert [(a.attempt, a.attempts) for a in attempts] == [(n + 1, len(attempts)) for n in range(len(attempts))]
    for answer in every:
        assert answer.text == "".join(leg.text for leg in answer.legs)
        assert answer.progress.is_over == (answer.progress.ended_at is not None)
        assert all(leg.is_over for leg in answer.legs[:-1])
        assert answer.figures.legs == len(answer.legs)
        assert not (answer.can_continue and snapshot.is_running and not answer.progress.is_over)


@settings(deadline=None, max_examples=80)
@given(st.lists(step, max_size=40))
def test_any_sequence_of_actions_and_events_leaves_whole_snapshots_that_stay_as_they_were(steps: list[Any]) -> None:
    conversation = Conversation([Pane(pane_id, "m") for pane_id in PANE_IDS])
    take(conversation, "send", {"a", "b"})
    kept = []
    for kind, detail in steps:
        before = conversation.snapshot()
        kept.append((before, copy.deepcopy(before)))
        try:
            take(conversation, kind, detail)
        except MultiLLMError:
            assert conversation.snapshot() == before
            continue
        check(conversation.snapshot())
        assert conversation.snapshot().version > before.version
    assert all(snapshot == as_it_was for snapshot, as_it_was in kept)


@settings(deadline=None, max_examples=60)
@given(st.lists(step, max_size=30))
# What was picked is asked again, and has no text yet.
@example([("event", ("a", TextDelta(request_id="r", text="0", tokens=1))), ("choose", (0, "a")), ("again", "a")])
def test_any_state_survives_the_store(steps: list[Any]) -> None:
    before = after_all(steps)
    after = conversation_from(run_record(before), answer_items(before)).snapshot()
    assert after.turns == before.turns
    assert (after.panes, after.shared_thread, after.is_running) == (
        before.panes,
        before.shared_thread,
        before.is_running,
    )


def test_a_snapshot_taken_by_another_thread_is_never_half_of_a_change() -> None:
    conversation = Conversation([Pane("a", "m")])
    answer = conversation.add_answer(conversation.add_turn("hi"), conversation.pane("a"), ModelFacts(), {})
    torn: list[object] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            progress = conversation.snapshot().turns[0].answers["a"].progress
            if len(progress.text) != progress.tokens or (progress.tokens > 0) != (progress.state == "running"):
                torn.append(progress)

    watcher = threading.Thread(target=look)
    watcher.start()
    for number in range(3000):
        conversation.apply(answer, answer.legs[0], TextDelta(request_id="r", text="x", tokens=number + 1))
    done.set()
    watcher.join()
    assert not torn


def test_what_did_not_change_is_shared_between_snapshots() -> None:
    conversation = Conversation([Pane("a", "m"), Pane("b", "m")])
    for _ in range(2):
        turn = conversation.add_turn("hi")
        for pane in conversation.panes:
            last = conversation.add_answer(turn, pane, ModelFacts(), {})
    first = conversation.snapshot()
    assert conversation.snapshot() is first
    conversation.apply(last, last.legs[0], TextDelta(request_id="r", text="x", tokens=1))
    second = conversation.snapshot()
    assert second.turns[0] is first.turns[0]
    assert second.turns[1].answers["a"] is first.turns[1].answers["a"]
    assert second.turns[1].answers["b"] is not first.turns[1].answers["b"]


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(0, 5), min_size=1, max_size=2000))
def test_a_curve_stays_small_in_order_and_ends_at_the_newest_point(gaps: list[float]) -> None:
    curve, at = Curve(), 0.0
    for tokens, gap in enumerate(gaps):
        at += gap
        curve.add(at, tokens)
        assert len(curve.points) <= MAX_CURVE_POINTS
    assert curve.points == sorted(curve.points)
    assert curve.points[-1] == (at, len(gaps) - 1)
    assert curve.points[0][1] == 0
