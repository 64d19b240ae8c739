"""A session of votes: answers ahead of the reader, votes that stay, and a place that tells nobody who stands where."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.voting.drawing import drawn
from multi_llm_comparator.voting.registry import VoteRegistry
from multi_llm_comparator.voting.spec import checked_spec
from multi_llm_comparator.voting.turns import BAD, TIE
from multi_llm_comparator.voting.vote_run import AHEAD, MAX_FAILED
from tests.voting.sessions import TARGETS, session_spec
from tests.voting.world import PATIENCE_S, World, open_turn, until


async def test_answers_are_written_ahead_of_the_reader_and_no_further(world: World) -> None:
    run = await world.votes.start(session_spec("one", "two", "three", "four", "five"))
    await world.answer(2 * (AHEAD + 1))
    snapshot = await until(run, "voting")
    assert [turn.state for turn in snapshot.turns] == ["ready"] * (AHEAD + 1)
    assert len(world.source.calls) == 2 * (AHEAD + 1)
    await run.vote(0, TIE)
    await world.answer(2)
    assert len((await until(run, "voting")).turns) == AHEAD + 2


async def test_a_turn_that_is_being_answered_has_one_clock_which_ends_with_its_last_answer(world: World) -> None:
    run = await world.votes.start(session_spec("one"))
    await world.answer(1)
    async with asyncio.timeout(PATIENCE_S):
        while not ((turn := run.snapshot().answering) and turn.answers):
            await asyncio.sleep(0.01)
    since = run.snapshot().answering_since
    assert since is not None and since >= run.created_at
    await world.answer(1)
    snapshot = await until(run, "voting")
    assert (snapshot.answering, snapshot.answering_since) == (None, None)
    await run.stop()


async def test_a_vote_stays_with_who_wrote_the_answer(world: World) -> None:
    run = await world.votes.start(session_spec("one", "two"))
    await world.answer(4)
    turn = await open_turn(run)
    large = next(answer for answer in turn.answers if "by large" in answer.text)
    assert [answer.contestant for answer in turn.answers] == list(turn.places)
    await run.vote(turn.number, large.contestant)
    await run.vote((await open_turn(run)).number, BAD)
    await run.wait()
    again = await VoteRegistry(RunRegistry(world.store), world.source).get(run.id)
    assert again.state == "done"
    first, second = again.snapshot().turns
    assert first.best is not None and first.best.text == "by large: one"
    assert (second.choice, second.best) == (BAD, None)
    assert again.snapshot().by_hand == 2


async def test_a_vote_is_given_once_and_only_on_the_turn_that_waits(world: World) -> None:
    run = await world.votes.start(session_spec("one", "two"))
    await world.answer(4)
    turn = await open_turn(run)
    for number, choice in ((turn.number, "z"), (99, TIE)):
        with pytest.raises(ConfigurationError):
            await run.vote(number, choice)
    await run.vote(turn.number, TIE)
    with pytest.raises(ConfigurationError, match="elsewhere"):
        await run.vote(turn.number, turn.places[0])
    assert run.snapshot().turns[0].choice == TIE


async def test_answers_that_are_the_same_are_a_tie_that_nobody_is_asked_for(world: World) -> None:
    run = await world.votes.start(session_spec("one", "two"))
    await world.answer(2, same=True)
    await world.answer(2)
    turn = await open_turn(run)
    assert turn.number == 1
    await run.skip(turn.number)
    await run.wait()
    first, second = run.snapshot().turns
    assert (first.choice, first.is_automatic, second.state, run.snapshot().by_hand) == (TIE, True, "skipped", 0)


async def test_the_set_says_how_its_prompts_are_introduced(world: World) -> None:
    run = await world.votes.start(session_spec("one", system="Be brief."))
    calls = await world.answer(2)
    assert {call.target for call in calls} == set(TARGETS[:2])
    assert {call.request.config.system_prompt for call in calls} == {"Be brief."}
    await run.vote(0, TIE)
    await run.wait()


async def test_a_session_ends_when_a_contestant_never_answers_and_goes_on_once_it_does(world: World) -> None:
    run = await world.votes.start(session_spec("one", "two", "three", "four"))
    for number in range(MAX_FAILED):
        for call in await world.source.next_calls(2, after=2 * number):
            await (
                call.fail("it does not fit", "InsufficientMemoryError") if call.target == "large" else call.answer("ok")
            )
    await run.wait()
    assert (run.state, run.error) == ("failed", "a contestant does not answer: it does not fit")
    assert run.snapshot().open_turn is None
    world._answered = 2 * MAX_FAILED
    again = await world.votes.resume(run.id)
    await world.answer(2)
    assert (await open_turn(again)).number == 0
    await world.runs.stop(run.id)


async def test_one_failed_turn_is_passed_over(world: World) -> None:
    run = await world.votes.start(session_spec("one", "two"))
    for call in await world.source.next_calls(2):
        await call.fail("it broke")
    world._answered = 2
    await world.answer(2)
    assert (await open_turn(run)).number == 1
    await run.vote(1, TIE)
    await run.wait()
    assert ([turn.state for turn in run.snapshot().turns], run.state) == (["failed", "voted"], "done")


async def test_what_waits_for_a_vote_can_still_be_voted_on_after_a_stop(world: World) -> None:
    run = await world.votes.start(session_spec("one", "two", "three"))
    await world.answer(6)
    await until(run, "voting")
    await world.runs.stop(run.id)
    later = VoteRegistry(RunRegistry(world.store), world.source)
    stopped = await later.get(run.id)
    await stopped.vote(0, TIE)
    assert (await VoteRegistry(RunRegistry(world.store), world.source).get(run.id)).snapshot().by_hand == 1


def test_each_two_meet_over_each_prompt_once_and_stand_anywhere() -> None:
    spec = session_spec("one", "two", "three", "four", targets=TARGETS, is_shuffled=True)
    turns = [drawn(spec, number) for number in range(spec.turns)]
    assert spec.turns == 4 * 6
    met = Counter((prompt, frozenset(places)) for prompt, places in turns)
    assert len(met) == 24 and set(met.values()) == {1}
    assert turns == [drawn(spec, number) for number in range(spec.turns)]
    assert turns != [drawn(spec.model_copy(update={"seed": 6}), number) for number in range(spec.turns)]
    first_places = Counter(places[0] for _, places in turns)
    assert set(first_places) == set("abcd")


def test_where_an_answer_stands_says_nothing_of_who_wrote_it() -> None:
    spec = session_spec(*(f"prompt {n}" for n in range(400)))
    left = sum(drawn(spec, number)[1][0] == "a" for number in range(400))
    assert 150 < left < 250


def test_prompts_in_order_stay_in_order() -> None:
    spec = session_spec("one", "two", "three")
    assert [drawn(spec, number)[0] for number in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"contestants": [{"id": "a", "target": "small"}]}, "contestants"),
        ({"prompts": []}, "prompts"),
        ({"shown": 3}, "3 answers cannot be shown of 2"),
        ({"contestants": [{"id": one, "target": "small"} for one in "ab"]}, "chosen twice"),
        ({"contestants": [{"id": "a", "target": one} for one in TARGETS[:2]]}, "one id"),
    ],
)
def test_what_cannot_be_voted_on_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        session_spec("one", **fields)


def test_one_model_with_two_temperatures_is_two_contestants() -> None:
    two = [{"id": one, "target": "small", "config": ModelConfig(temperature=0.1 + n)} for n, one in enumerate("ab")]
    assert len(checked_spec(contestants=two, prompts=[{"id": "1", "text": "one"}]).contestants) == 2
