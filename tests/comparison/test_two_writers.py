"""Two programs on one database: whatever either asked and was answered is there afterwards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from multi_llm_comparator.comparison.registry import ComparisonRegistry
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.comparison.asking import answer, asked
from tests.comparison.conftest import KNOWN
from tests.support.scripted_source import ScriptedSource
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60


async def other_writes(database_url: str, run_id: str) -> str:
    command = ("-m", "tests.comparison.second_writer", database_url, run_id)
    child = await asyncio.create_subprocess_exec(warm_python(), *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await child.communicate()
    assert child.returncode == 0
    return out.decode().strip()


def texts(store: Store, run_id: str) -> list[tuple[int, str, str]]:
    return [(record.position, record.key.split("/")[1], record.text) for record in store.load_items(run_id)]


async def test_a_run_that_two_programs_write_becomes_two(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource, database_url: str
) -> None:
    comparison, (a, b) = await asked(registry, source)
    before = comparison.id
    await a.answer("It is five.")
    await b.answer("five")
    await comparison.wait()
    assert await other_writes(database_url, before) == before
    await comparison.send("and 3 + 4?", ["b"])
    await (await source.call(2)).answer("seven")
    await comparison.wait()

    assert comparison.id != before
    assert registry.runs.branch_of(before) == comparison.id
    assert store.load_run(comparison.id).parent_id == before
    assert comparison.snapshot().branched_from == before
    assert comparison.snapshot().save_error is None
    assert texts(store, comparison.id) == [(0, "a", "It is five."), (0, "b", "five"), (1, "b", "seven")]
    assert texts(store, before) == [(0, "a", "It is five."), (0, "b", "five"), (1, "a", "their answer")]

    # After a restart both are there, each with its questions.
    afterwards = ComparisonRegistry(RunRegistry(store), source, KNOWN.get)
    mine, theirs = await afterwards.get(comparison.id), await afterwards.get(before)
    assert [turn.prompt for turn in mine.snapshot().turns] == ["What is 2 + 3?", "and 3 + 4?"]
    assert [turn.prompt for turn in theirs.snapshot().turns] == ["What is 2 + 3?", "asked by the other"]
    assert mine.title == "What is 2 + 3? (2)"
    await afterwards.runs.aclose()


async def test_a_branch_is_found_by_its_own_id_and_the_other_by_the_old_one(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource, database_url: str
) -> None:
    comparison, (a, b) = await asked(registry, source)
    before = comparison.id
    await a.answer("five")
    await b.answer("5")
    await comparison.wait()
    await other_writes(database_url, before)
    await comparison.rename("sums")
    await comparison.wait()
    assert await registry.get(comparison.id) is comparison
    assert answer(await registry.get(before), "a").text == "their answer"


async def test_a_run_that_was_written_elsewhere_is_read_again_when_it_is_opened(
    registry: ComparisonRegistry, source: ScriptedSource, database_url: str
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.answer("five")
    await b.answer("5")
    await comparison.wait()
    await other_writes(database_url, comparison.id)
    seen = await registry.get(comparison.id)
    assert [turn.prompt for turn in seen.snapshot().turns] == ["What is 2 + 3?", "asked by the other"]


@pytest.mark.parametrize("deleted", [False, True])
async def test_a_run_that_nobody_else_wrote_stays_one(
    registry: ComparisonRegistry, store: Store, source: ScriptedSource, deleted: bool
) -> None:
    comparison, (a, b) = await asked(registry, source)
    await a.answer("five")
    if deleted:
        await comparison._recorder.flush()
        store.delete_runs([comparison.id], owner=registry.runs.owner)
    await b.answer("5")
    await comparison.wait()
    assert comparison.snapshot().branched_from is None
    assert len(store.list_runs()) == 1
