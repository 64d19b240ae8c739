"""Cooperation by one call, as a program makes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from multi_llm_comparator.cooperation import standalone
from multi_llm_comparator.cooperation.scheduler import CooperationScheduler
from multi_llm_comparator.core.exceptions import InferenceError, ModelProcessDied
from tests.cooperation.making import Cooperating
from tests.support.gateways import ActingSource, hang

MODELS = Path(__file__).parents[2] / "models"


async def test_each_mode_is_one_call_that_returns_the_text(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": "12", "b": "12"}
    scheduler = CooperationScheduler(work.registry)
    said = [
        await scheduler.create_sequential_task("How many?", ["a", "b"], integration_strategy="ensemble"),
        await scheduler.create_parallel_task("How many?", ["a", "b"], integration_strategy="ensemble"),
        await scheduler.create_voting_task("How many?", ["a", "b"], voting_rounds=1),
        await scheduler.create_pipeline_task("How many?", ["a", "b"]),
        await scheduler.create_ensemble_task("How many?", ["a"], samples=2),
        await scheduler.create_cascade_task("How many?", ["a", "a", "b"]),
        await scheduler.create_council_task("How many?", ["a", "b"]),
    ]
    assert said == ["12"] * 7


async def test_whoever_leaves_stops_all_members(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": hang, "b": hang}
    task = asyncio.create_task(CooperationScheduler(work.registry).create_parallel_task("How many?", ["a", "b"]))
    async with asyncio.timeout(30):
        while source.running.total() < 2:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert source.running.total() == 0


async def test_without_an_answer_it_says_why_of_each_model(work: Cooperating, source: ActingSource) -> None:
    source.usual |= {"a": ModelProcessDied("a died")}
    with pytest.raises(InferenceError, match="a: a died"):
        await CooperationScheduler(work.registry).create_parallel_task("How many?", ["a"])


@pytest.mark.slow
def test_a_program_asks_shipped_models_without_any_setup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLC_MODELS_DIR", str(MODELS))

    async def example() -> str:
        scheduler = CooperationScheduler()
        return await scheduler.create_voting_task(
            query="What is 12 + 30?", models=["demo-small-Q8_0", "demo-large-Q8_0"], voting_rounds=1
        )

    try:
        result = asyncio.run(example())
        assert isinstance(result, str) and "42" in result
    finally:
        standalone.close()
