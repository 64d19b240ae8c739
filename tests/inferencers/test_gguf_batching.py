"""Many requests in one context: nobody's text depends on who else is there, and nothing is read twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multi_llm_comparator.core.events import Finished, Queued, Reading, Started, TextDelta
from multi_llm_comparator.inferencers import base
from multi_llm_comparator.inferencers import prefill_chunk as reading
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.gguf_engine import GgufEngine
from multi_llm_comparator.inferencers.gguf_slots import common_prefix
from tests.support import tiny_gguf
from tests.support.greedy_judge import GreedyJudge
from tests.support.requests import Reply, answer, collect, greedy

OPTIONS = LoadOptions(n_ctx=256, n_threads=1, parallel=4)
PROMPTS = ("hello", "one two three", "one two", "hello world " * 8, "世界 one", "hello world " * 8 + "two")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_gguf.write_random(tmp_path_factory.mktemp("gguf") / "random.gguf"))


@pytest.fixture
def engine(model: str) -> Iterator[GgufEngine]:
    engine = GgufEngine(model, OPTIONS)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def judge(model: str) -> Iterator[GreedyJudge]:
    judge = GreedyJudge(model)
    yield judge
    judge.close()


@pytest.fixture
def read_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few prompt tokens a step, as with a large model, so that reading and writing overlap."""
    monkeypatch.setattr(reading, "STEP_WORK", 1.0)


def test_texts_in_a_batch_are_those_of_each_alone(engine: GgufEngine, judge: GreedyJudge) -> None:
    replies = answer(engine, *(greedy(prompt, max_tokens=30) for prompt in PROMPTS))
    assert [len(reply.text) for reply in replies] == [30] * len(PROMPTS)
    assert all(judge.accepts(prompt, reply.text) for prompt, reply in zip(PROMPTS, replies, strict=True))


def test_the_judge_knows_a_wrong_text(engine: GgufEngine, judge: GreedyJudge) -> None:
    replies = answer(engine, *(greedy(prompt, max_tokens=30) for prompt in PROMPTS))
    for asked in PROMPTS:
        for prompt, reply in zip(PROMPTS, replies, strict=True):
            assert judge.accepts(asked, reply.text) is (asked == prompt)


def test_one_prompt_asked_four_times_is_read_once(engine: GgufEngine, judge: GreedyJudge) -> None:
    replies = answer(engine, *(greedy(PROMPTS[3], max_tokens=30) for _ in range(4)))
    length = replies[0].started.prompt_tokens
    assert [reply.started.cached_tokens for reply in replies] == [0, length - 1, length - 1, length - 1]
    assert all(judge.accepts(PROMPTS[3], reply.text) for reply in replies)


@pytest.mark.usefixtures("read_slowly")
def test_those_who_share_a_prompt_go_on_when_its_reader_is_cancelled(model: str, judge: GreedyJudge) -> None:
    engine = GgufEngine(model, OPTIONS)
    requests = [greedy(PROMPTS[3], max_tokens=30) for _ in range(3)]
    for request in requests:
        engine.submit(request)
    replies = {request.id: Reply() for request in requests}
    # It is told that one of them reads, and then it reads.
    for event in [*engine.step(), *engine.step()]:
        replies[event.request_id].events.append(event)
    engine.cancel(requests[0].id)
    latecomer = greedy(PROMPTS[3], max_tokens=30)
    engine.submit(latecomer)
    collect(engine, replies)
    assert replies[requests[0].id].reason == "cancelled"
    followers = [replies[request.id] for request in (*requests[1:], latecomer)]
    assert all(judge.accepts(PROMPTS[3], reply.text) for reply in followers)
    assert [reply.finished.completion_tokens for reply in followers] == [30] * 3
    assert all(reply.started.cached_tokens > 0 for reply in followers[:2])


def test_the_next_turn_of_a_conversation_reads_only_what_is_new(engine: GgufEngine, judge: GreedyJudge) -> None:
    first = answer(engine, greedy(PROMPTS[3], max_tokens=10))[0]
    longer = PROMPTS[3] + first.text + " two"
    second = answer(engine, greedy(longer, max_tokens=10))[0]
    assert second.started.cached_tokens >= first.started.prompt_tokens - 1
    assert judge.accepts(longer, second.text)


def test_a_long_conversation_survives_another_that_begins_alike(engine: GgufEngine) -> None:
    long_talk = greedy(PROMPTS[3] + "three", max_tokens=60)
    answer(engine, long_talk)
    other = answer(engine, greedy("hello world one", max_tokens=3))[0]
    assert other.started.cached_tokens > 8
    again = answer(engine, greedy(PROMPTS[3] + "three", max_tokens=3))[0]
    assert again.started.cached_tokens == again.started.prompt_tokens - 1


@pytest.mark.usefixtures("read_slowly")
def test_those_who_write_never_wait_for_those_who_read(model: str) -> None:
    engine = GgufEngine(model, OPTIONS)
    writer, reader = greedy("hello", max_tokens=200), greedy("one two three " * 15, max_tokens=2)
    engine.submit(writer)
    assert [type(event) for event in engine.step()] == [Started]
    engine.step()
    engine.submit(reader)
    assert [type(event) for event in engine.step()] == [Started]
    steps_read = 0
    while True:
        events = engine.step()
        if any(isinstance(event, TextDelta) and event.request_id == reader.id for event in events):
            break
        steps_read += 1
        assert any(isinstance(event, TextDelta) and event.request_id == writer.id for event in events)
    assert steps_read > 3
    engine.close()


def test_those_beyond_the_slots_wait_in_order(model: str) -> None:
    engine = GgufEngine(model, LoadOptions(n_ctx=256, n_threads=1, parallel=2))
    requests = [greedy("hello", max_tokens=3 + i) for i in range(4)]
    replies = answer(engine, *requests)
    told = [[event.ahead for event in reply.events if isinstance(event, Queued)] for reply in replies]
    assert told == [[], [], [0], [1, 0]]
    started = [reply.started.at for reply in replies]
    assert started == sorted(started)


def test_waiting_requests_can_be_cancelled(model: str) -> None:
    engine = GgufEngine(model, LoadOptions(n_ctx=256, n_threads=1, parallel=1))
    active, waiting = greedy("hello", max_tokens=5), greedy("hello")
    engine.submit(active)
    engine.submit(waiting)
    replies: dict[str, Reply] = {}
    for event in engine.step():
        replies.setdefault(event.request_id, Reply()).events.append(event)
    engine.cancel(waiting.id)
    collect(engine, replies)
    assert [type(event) for event in replies[waiting.id].events] == [Queued, Finished]
    assert replies[active.id].reason in ("stop", "length")


@pytest.mark.parametrize("step_work", [1.0, 1e7, 1e12], ids=["little", "more", "everything"])
def test_a_full_memory_ends_some_answers_and_loses_none(
    model: str, judge: GreedyJudge, monkeypatch: pytest.MonkeyPatch, step_work: float
) -> None:
    monkeypatch.setattr(base, "MAX_CACHE_TOKENS", 256)
    monkeypatch.setattr(reading, "STEP_WORK", step_work)
    engine = GgufEngine(model, OPTIONS)
    prompts = [f"{letter} " * 40 for letter in "abcdef"]
    requests = [greedy(prompt, max_tokens=100) for prompt in prompts]
    replies = answer(engine, *requests)
    assert {reply.reason for reply in replies} <= {"stop", "length"}
    assert all(reply.finished.completion_tokens > 0 for reply in replies)
    assert all(judge.accepts(prompt, reply.text) for prompt, reply in zip(prompts, replies, strict=True))
    # Afterwards all is as before.
    reply = answer(engine, greedy(PROMPTS[0], max_tokens=30))[0]
    assert (len(reply.text), judge.accepts(PROMPTS[0], reply.text)) == (30, True)


moves = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.sampled_from(PROMPTS)),
        st.tuples(st.just("cancel"), st.integers(0, 8)),
        st.tuples(st.just("step"), st.integers(1, 12)),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(moves=moves)
def test_any_order_of_asking_and_cancelling_gives_each_its_own_text(
    shared_engine: GgufEngine, judge: GreedyJudge, moves: list[Any]
) -> None:
    asked, replies = [], {}
    for move, value in moves:
        if move == "ask":
            request = greedy(value, max_tokens=30)
            asked.append((request.id, value))
            replies[request.id] = Reply()
            shared_engine.submit(request)
        elif move == "cancel" and value < len(asked):
            shared_engine.cancel(asked[value][0])
        elif move == "step":
            for _ in range(value):
                for event in shared_engine.step():
                    replies[event.request_id].events.append(event)
    collect(shared_engine, replies)
    for request_id, prompt in asked:
        reply = replies[request_id]
        assert judge.accepts(prompt, reply.text)
        if reply.reason != "cancelled":
            assert len(reply.text) == 30
            started = reply.started
            assert 0 <= started.cached_tokens < started.prompt_tokens


@pytest.fixture(scope="module")
def shared_engine(model: str) -> Iterator[GgufEngine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "STEP_WORK", 1.0)
        engine = GgufEngine(model, OPTIONS)
    yield engine
    engine.close()


@given(a=st.lists(st.integers(0, 2)), b=st.lists(st.integers(0, 2)))
def test_common_prefix_is_the_longest_one(a: list[int], b: list[int]) -> None:
    n = common_prefix(a, b)
    assert a[:n] == b[:n]
    assert n in (len(a), len(b)) or a[n] != b[n]


@pytest.mark.usefixtures("read_slowly")
def test_that_a_prompt_is_being_read_is_told_before_it_is_and_then_how_far(model: str) -> None:
    engine = GgufEngine(model, OPTIONS)
    engine.submit(greedy("one two three " * 15, max_tokens=2))
    (started,) = engine.step()
    assert isinstance(started, Started)
    told: list[int] = []
    while engine.is_busy:
        told += [event.tokens for event in engine.step() if isinstance(event, Reading)]
    engine.close()
    assert told == sorted(set(told))
    assert 0 < told[0] < told[-1] < started.prompt_tokens


def test_more_slots_than_whole_contexts_cut_no_answer_short(model: str, judge: GreedyJudge) -> None:
    engine = GgufEngine(model, LoadOptions(n_ctx=64, n_threads=1, parallel=2))
    engine.set_slots(6)
    prompts = ["one", "two", "three", "hello one", "hello two", "hello three"]
    # Six times 50 tokens are more than two contexts hold: some give their place to others, and read their text again.
    replies = answer(engine, *(greedy(prompt, max_tokens=50) for prompt in prompts))
    engine.close()
    assert [reply.finished.completion_tokens for reply in replies] == [50] * 6
    assert [reply.finished.prompt_tokens for reply in replies] == [reply.started.prompt_tokens for reply in replies]
    assert all(judge.accepts(prompt, reply.text) for prompt, reply in zip(prompts, replies, strict=True))


def test_as_many_are_written_together_as_there_are_slots(engine: GgufEngine) -> None:
    engine.set_slots(2)
    requests = [greedy(prompt, max_tokens=20) for prompt in PROMPTS[:4]]
    replies = answer(engine, *requests)
    order = [(event.at, +1) for reply in replies for event in reply.events if isinstance(event, Started)]
    order += [(reply.end.at, -1) for reply in replies]
    running = most = 0
    for _, change in sorted(order, key=lambda one: one[0]):
        running += change
        most = max(most, running)
    assert most == 2
