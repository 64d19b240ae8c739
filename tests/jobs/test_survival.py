from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.jobs.process import AT_WORK_ALREADY
from tests.jobs.app import STEPS, gate_of
from tests.jobs.conftest import counting, opened, over, trial, until

ROOT = Path(__file__).parents[2]


@contextmanager
def another_app(
    folder: Path, *, pause_s: float = 0.1, jobs: int = 1
) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """An app that has begun its first job, and the ids of all that it started."""
    command = [sys.executable, "-m", "tests.jobs.app", str(folder), str(jobs)]
    app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    try:
        yield app, app.stdout.readline().split()
    finally:
        app.kill()
        app.wait()
        app.stdout.close()


def kill(pid: int | None) -> None:
    assert pid is not None
    psutil.Process(pid).kill()


@pytest.mark.slow
async def test_jobs_outlive_their_app_and_are_followed_by_the_next_one(tmp_path: Path) -> None:
    with another_app(tmp_path, jobs=2) as (app, (first, second)):
        async with opened(tmp_path) as jobs:
            seen = await jobs.get(first)
            assert seen.owner is not None and seen.owner.pid == app.pid
            working = seen.snapshot().pid
            assert seen.state == "running" and working is not None
            app.kill()
            app.wait()
            assert psutil.Process(working).is_running()
    # Whoever looked at it left as well: only now is there somebody to follow it.
    async with opened(tmp_path) as jobs:
        run, queued = await jobs.get(first), await jobs.get(second)
        assert run.owner is None and run.snapshot().pid == working
        gate_of(tmp_path).touch()
        assert (await over(run)).state == "done"
        # The one behind it waited in the queue of the app that was killed.
        assert (await over(queued)).state == "done"
    job = run.snapshot()
    assert job.attempt == 1
    assert [point.step for point in job.curves["loss"]] == list(range(1, STEPS + 1))


@pytest.mark.slow
async def test_when_app_and_job_are_killed_it_is_interrupted_and_continues_from_its_checkpoint(tmp_path: Path) -> None:
    with another_app(tmp_path) as (app, (run_id,)):
        async with opened(tmp_path) as jobs:
            working = (await jobs.get(run_id)).snapshot().pid
        app.kill()
        kill(working)
    async with opened(tmp_path) as jobs:
        run = await jobs.get(run_id)
        assert (await over(run)).state == "interrupted"
        gate_of(tmp_path).touch()
        assert await jobs.resume(run_id) is run
        job = await over(run)
    assert (job.state, job.attempt) == ("done", 2)
    assert [point.step for point in job.curves["loss"]] == list(range(1, STEPS + 1))


@pytest.mark.slow
async def test_another_process_can_stop_what_this_one_follows(tmp_path: Path) -> None:
    with another_app(tmp_path) as (app, (run_id,)):
        async with opened(tmp_path) as jobs:
            await jobs.stop(run_id)
            states: list[str] = []

            async def look() -> None:
                run = await jobs.get(run_id)
                states.append(run.state)

            await until(lambda: states and states[-1] != "running", look=look)
            assert states[-1] == "stopped"
            assert app.poll() is None


async def test_a_job_that_is_killed_ends_with_what_it_started_and_can_be_resumed(tmp_path: Path) -> None:
    gate = tmp_path / "go"
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(steps=20, gate=str(gate), child="loyal"))
        pid = await counting(run)
        await until(lambda: run.recorder is not None and not run.recorder.is_busy)
        kill(pid)
        job = await over(run)
        assert [listed.status for listed in await jobs.list()] == ["interrupted"]
        assert job.state == "interrupted" and "SIGKILL" in job.notes[-1].text
        child = int((run.folder.work / "child").read_text())
        await until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
        # As if the power had failed in the middle of a line.
        with run.folder.events.open("ab") as events:
            events.write(b'{"event":"poi')
        gate.touch()
        await jobs.resume(run.id)
        assert (await over(run)).state == "done"
    assert [point.step for point in run.snapshot().curves["loss"]] == list(range(1, 21))


async def test_what_left_the_session_of_a_job_and_outlives_it_is_named(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        job = await over(await jobs.start(trial(steps=1, child="escaping")))
    assert job.state == "done"
    (left,) = job.leftovers
    assert f"kill {left.pid}" in job.notes[-1].text and left.memory_bytes > 0
    kill(left.pid)


async def test_a_job_whose_folder_is_elsewhere_is_left_as_it_is_until_the_folder_is_back(tmp_path: Path) -> None:
    gate = tmp_path / "go"
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(gate=str(gate)))
        pid = await counting(run)
    aside = run.folder.path.rename(tmp_path / "aside")
    async with opened(tmp_path) as jobs:
        assert (await jobs.get(run.id)).state == "interrupted"
    aside.rename(run.folder.path)
    async with opened(tmp_path) as jobs:
        again = await jobs.get(run.id)
        assert again.snapshot().pid == pid
        gate.touch()
        job = await over(again)
    assert (job.state, job.attempt) == ("done", 1)


async def test_a_job_whose_folder_is_lost_can_be_begun_anew(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(steps=2, gate=str(tmp_path / "go")))
        pid = await counting(run)
    kill(pid)
    shutil.rmtree(run.folder.path)
    (tmp_path / "go").touch()
    async with opened(tmp_path) as jobs:
        assert (await jobs.get(run.id)).state == "interrupted"
        job = await over(await jobs.resume(run.id))
    assert (job.state, job.attempt) == ("done", 2)


async def test_a_job_is_never_at_work_twice(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(gate=str(tmp_path / "go")))
        await counting(run)
        by_hand = [sys.executable, "-m", "multi_llm_comparator.jobs.run", str(run.folder.path)]
        done = await asyncio.to_thread(subprocess.run, by_hand, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == AT_WORK_ALREADY and "at work" in done.stderr
        await jobs.stop(run.id)
        assert (await over(run)).state == "stopped"


async def test_deleting_a_job_ends_it_and_keeps_what_it_made_unless_asked(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        made = await jobs.start(trial(steps=1))
        await over(made)
        busy = await jobs.start(trial(gate=str(tmp_path / "go")))
        pid = await counting(busy)
        await jobs.runs.delete([made.id, busy.id])
        assert not psutil.pid_exists(pid)
        assert await jobs.list() == []
        assert sorted(place.name for place in made.folder.path.iterdir()) == ["job.json", "out"]
        assert not busy.folder.path.exists()
        gone = await jobs.start(trial(steps=1))
        await over(gone)
        await jobs.delete(gone.id, with_artefacts=True)
        assert not gone.folder.path.exists()
