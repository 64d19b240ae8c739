"""Blind votes on an evaluation's answers, and what they say of its judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.evaluation.measuring.asking import Sources
from multi_llm_comparator.evaluation.measuring.cells import CellKey, Duel
from multi_llm_comparator.evaluation.measuring.human_votes import scores_by_votes, voting_spec
from multi_llm_comparator.evaluation.measuring.registry import EvaluationRegistry
from multi_llm_comparator.evaluation.measuring.results import vote_on
from multi_llm_comparator.evaluation.measuring.run import EvaluationRun
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from multi_llm_comparator.voting.human_preferences import HumanPreference, human_preferences
from multi_llm_comparator.voting.registry import VoteRegistry
from multi_llm_comparator.voting.turns import TIE
from tests.evaluation.measuring.making import evaluation, no_tasks, prompt_set
from tests.support.scripted_source import ScriptedSource


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[EvaluationRegistry, VoteRegistry, ScriptedSource]]:
    store, source = Store(f"sqlite:///{tmp_path / 'runs.db'}"), ScriptedSource()
    runs = RunRegistry(store, save_interval_s=0.02)
    yield EvaluationRegistry(runs, Sources(source), no_tasks), VoteRegistry(runs, source), source
    await runs.aclose()
    store.close()


async def evaluated(evaluations: EvaluationRegistry, source: ScriptedSource) -> EvaluationRun:
    run = await evaluations.start(evaluation(prompt_set(("One?", "1"), ("Two?", "2")), "small", "large"))
    for number in range(4):
        call = await source.call(number)
        await call.answer(f"{call.target} on {call.request.messages[-1].content}")
    await run.wait()
    return run


async def test_answers_are_voted_on_blind_without_asking_again_and_become_scores(
    world: tuple[EvaluationRegistry, VoteRegistry, ScriptedSource],
) -> None:
    evaluations, votes, source = world
    run = await evaluated(evaluations, source)
    session = await votes.start(voting_spec(run.snapshot()))
    async with asyncio.timeout(30):
        while session.phase != "voting" or len(session.turns) < 2:
            await asyncio.sleep(0.01)
    assert len(source.calls) == 4
    first, second = session.snapshot().turns
    await session.vote(first.number, "b")
    await session.vote(second.number, TIE)
    await session.wait()
    assert await run.take_votes(human_preferences([session.snapshot()])) == 4
    snapshot = run.snapshot()
    item = first.prompt
    assert (snapshot.cells[CellKey(item, "a")].human, snapshot.cells[CellKey(item, "b")].human) == (0.0, 1.0)
    assert vote_on(snapshot, Duel(item=item, first="a", second="b")) == 0.0
    assert vote_on(snapshot, Duel(item=1 - item, first="a", second="b")) == 0.5
    again = await EvaluationRegistry(RunRegistry(evaluations.runs.store), Sources(source), no_tasks).get(run.id)
    assert again.cells[CellKey(item, "b")].human == 1.0


async def test_votes_on_other_texts_say_nothing(world: tuple[EvaluationRegistry, VoteRegistry, ScriptedSource]) -> None:
    evaluations, _, source = world
    run = await evaluated(evaluations, source)
    elsewhere = HumanPreference("One?", "small", "large", "small on One?", "something else", 1.0)
    assert scores_by_votes(run.snapshot(), [elsewhere]) == {}


async def test_one_model_alone_is_not_voted_on(world: tuple[EvaluationRegistry, VoteRegistry, ScriptedSource]) -> None:
    evaluations, _, source = world
    run = await evaluations.start(evaluation(prompt_set(("One?", "1")), "small"))
    await (await source.call(0)).answer("x")
    await run.wait()
    with pytest.raises(ConfigurationError, match="two models"):
        voting_spec(run.snapshot())
