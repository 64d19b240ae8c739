"""The life of a run is the same for each kind, on each database."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.exceptions import RunAtWorkError, RunNotFoundError
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.runs.live import LiveRun
from multi_llm_comparator.tracking.records import RunFilter
from multi_llm_comparator.tracking.store import Store
from tests.runs.kinds import KINDS, PATIENCE_S, Life
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
PAGES = (
    {"comparison": "compare"},
    {"plan": "plans"},
    {"distillation": "tune"},
    {"evaluation": "measure"},
    {"cooperation": "cooperate"},
    {"vote": "vote"},
    {"service": "services"},
)
LANGUAGES: tuple[Language, ...] = ("en", "zh")
ELSEWHERE = WorkingProcess("another-machine", 1, 1.0)


@contextmanager
def another_process(url: str, kind: str) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A process that is half way through a run, its number, and the run's id. It is killed at the end."""
    command = [warm_python(), "-m", "tests.runs.process", url, kind]
    child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        pid, _, run_id = child.stdout.readline().strip().partition(" ")
        assert run_id, "the child ended early"
        yield child, int(pid), run_id
    finally:
        if child.poll() is None:
            os.kill(int(pid or child.pid), signal.SIGKILL)
        child.wait()


async def test_a_run_at_work_is_listed_found_and_seen_from_any_thread(life: Life, kind: str, store: Store) -> None:
    run = await life.half()
    (summary,) = await life.runs.list(RunFilter(kind=kind, states=("running",)))
    assert (summary.id, summary.title, summary.owner) == (run.id, "What is it?", life.runs.owner)
    assert await life.runs.get(run.id, LiveRun) is run
    seen = await asyncio.to_thread(run.snapshot)
    version = seen.version
    await life.end(run)
    assert (seen.version, run.state, life.said(run)) == (version, "done", life.result)
    assert run.snapshot().version > version
    assert store.leases.all() == []


async def test_a_run_that_is_over_is_read_again_as_it_was(life: Life, kind: str, store: Store) -> None:
    run = await life.half()
    await life.end(run)
    later = KINDS[kind](store)
    again = await later.runs.get(run.id, LiveRun)
    assert (again.state, later.said(again), again.owner) == ("done", life.result, None)
    assert [(r.id, r.status) for r in await later.runs.list()] == [(run.id, "done")]
    assert await later.runs.resume(run.id, LiveRun) is again
    assert (later.source.calls, store.leases.all()) == ([], [])


async def test_a_run_is_exported_in_each_format_of_its_kind_and_language(life: Life, kind: str) -> None:
    run = await life.half()
    await life.end(run)
    (exporting,) = life.runs.kinds
    assert exporting.formats
    files = [await exporting.export(run.id, format, language) for format in exporting.formats for language in LANGUAGES]
    assert all(files)
    # What History's row is drawn from.
    (summary,) = await life.runs.list(RunFilter(kind=kind, states=("done",)))
    assert (summary.id, summary.title, summary.owner) == (run.id, "What is it?", None)


@pytest.mark.slow
async def test_a_run_of_another_process_is_followed_and_cannot_be_changed_here(
    life: Life, kind: str, store: Store, store_url: str
) -> None:
    with another_process(store_url, kind) as (child, pid, run_id):
        (summary,) = await life.runs.list(RunFilter(states=("running",)))
        assert summary.owner is not None and (summary.id, summary.owner.pid) == (run_id, pid)
        before = store.version_of(run_id)
        seen = await life.runs.get(run_id, LiveRun)
        assert seen.owner is not None and child.stdin is not None
        assert (seen.state, seen.owner.pid, seen.is_at_work) == ("running", pid, False)
        for refused in (life.runs.stop(run_id), life.runs.resume(run_id, LiveRun), life.runs.delete([run_id])):
            with pytest.raises(RunAtWorkError, match=str(pid)):
                await refused
        await life.runs.aclose()
        assert store.version_of(run_id) == before
        child.stdin.write("\n")
        child.stdin.flush()
        async with asyncio.timeout(PATIENCE_S):
            while (followed := await life.runs.get(run_id, LiveRun)).state != "done":
                await asyncio.sleep(0.05)
        assert child.wait(PATIENCE_S) == 0
        assert (life.said(followed), followed.owner, store.count_runs()) == (life.result, None, 1)


async def test_a_stopped_run_is_stored_as_such_and_can_be_resumed(life: Life, kind: str, store: Store) -> None:
    run = await life.half()
    await life.runs.stop(run.id)
    assert (run.state, store.load_run(run.id).status, store.leases.all()) == ("stopped", "stopped", [])
    assert life.open.closed.is_set()
    later = KINDS[kind](store)
    again = await later.runs.resume(run.id, LiveRun)
    assert [lease.run_id for lease in store.leases.all()] == [run.id]
    await later.resumed(again)
    assert (again.state, later.said(again), store.leases.all()) == ("done", life.result, [])


@pytest.mark.slow
async def test_after_kill_9_a_run_is_interrupted_and_resumed_without_repeating_what_is_finished(
    life: Life, kind: str, store: Store, store_url: str
) -> None:
    with another_process(store_url, kind) as (_, _, run_id):
        pass
    assert [run.status for run in await life.runs.list()] == ["interrupted"]
    assert (await life.runs.get(run_id, LiveRun)).state == "interrupted"
    run = await life.runs.resume(run_id, LiveRun)
    assert run.is_at_work
    await life.resumed(run)
    assert (run.state, life.said(run), store.load_run(run_id).status) == ("done", life.result, "done")


async def test_what_runs_when_the_process_ends_is_interrupted(life: Life, store: Store) -> None:
    run = await life.half()
    await life.runs.aclose()
    assert (run.state, store.load_run(run.id).status, store.leases.all()) == ("interrupted", "interrupted", [])


async def test_a_run_is_deleted_also_while_it_is_at_work(life: Life, store: Store) -> None:
    run = await life.half()
    assert await life.runs.delete([run.id, "nowhere"]) == 1
    assert life.open.closed.is_set()
    assert (store.count_runs(), store.load_items(run.id), store.leases.all()) == (0, [], [])
    with pytest.raises(RunNotFoundError):
        await life.runs.get(run.id, LiveRun)


async def test_a_run_that_another_process_took_over_is_not_written_over(life: Life, kind: str, store: Store) -> None:
    run = await life.half()
    run_id = run.id
    # As if this process had slept past the end of its lease.
    store.leases.end_all_of(life.runs.owner)
    store.leases.take(run_id, ELSEWHERE, 1000.0)
    before = store.version_of(run_id), store.load_items(run_id)
    await life.end(run)
    assert (store.version_of(run_id), store.load_items(run_id)) == before
    if kind == "comparison":
        # What was asked here goes on as a run of its own.
        assert (run.state, store.load_run(run.id).parent_id) == ("done", run_id)
    else:
        assert run.state == "failed"
        assert "another-machine" in getattr(run, "error", "")


async def test_a_lease_that_ran_out_is_free_to_be_taken(life: Life, kind: str, store: Store) -> None:
    run = await life.half()
    await life.runs.stop(run.id)
    store.leases.take(run.id, ELSEWHERE, -1.0)
    later = KINDS[kind](store)
    await later.resumed(await later.runs.resume(run.id, LiveRun))


@pytest.mark.slow
async def test_leases_are_renewed_while_a_run_is_at_work(kind: str, store: Store) -> None:
    life = KINDS[kind](store)
    life.runs._lease_s = 0.6
    run = await life.half()
    first = store.leases.of(run.id)
    assert first is not None
    async with asyncio.timeout(PATIENCE_S):
        while (now := store.leases.of(run.id)) is None or now.until <= first.until:
            await asyncio.sleep(0.05)
    await life.runs.aclose()


async def test_a_run_is_renamed_in_memory_or_not(life: Life, kind: str, store: Store) -> None:
    run = await life.half()
    await life.end(run)
    await life.runs.rename(run.id, "Mine")
    await run.wait()
    assert [r.title for r in await life.runs.list()] == ["Mine"]
    later = KINDS[kind](store)
    await later.runs.rename(run.id, "Yours")
    await (await later.runs.get(run.id, LiveRun)).wait()
    assert store.load_run(run.id).title == "Yours"


async def test_another_kind_is_told_from_one_that_is_not_there(life: Life, store: Store) -> None:
    run = await life.half()
    await life.runs.stop(run.id)

    class Other(LiveRun):
        pass

    with pytest.raises(RunNotFoundError, match="open it on its own page"):
        await life.runs.get(run.id, Other)
    assert {kind.name: kind.page for kind in life.runs.kinds} in PAGES
