"""A kind of job for tests, added as a package of others would, and a registry that starts it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.jobs import job_run
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.job_run import JobRun
from multi_llm_comparator.jobs.machine import Held
from multi_llm_comparator.jobs.process import end_group, find_process
from multi_llm_comparator.jobs.queue import Room, cpus_of
from multi_llm_comparator.jobs.registry import JobRegistry
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.jobs.spec import JobSpec, make_spec
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.tracking.store import Store
from tests.support.warm_python import start_warm_jobs

TIMEOUT_S = 120.0


@pytest.fixture(autouse=True)
def trial_kind(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kind ``trial``, known here and in the processes of jobs."""
    folder = tmp_path_factory.mktemp("package")
    about = folder / "trial_jobs-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: trial-jobs\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[multi_llm_comparator.jobs]\ntrial = tests.jobs.trial_jobs:count\n")
    # Tests look for what a job has told more often than a page does.
    monkeypatch.setattr(job_run, "FOLLOW_EVERY_S", 0.05)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))


@pytest.fixture(autouse=True)
def no_job_is_left(tmp_path: Path) -> Iterator[None]:
    """Jobs outlive who started them: those of a test that failed are ended here."""
    yield
    for place in (tmp_path / "jobs").glob("*"):
        found = find_process(JobFolder(place))
        if found is not None:
            end_group(place.name, found.pid)


@pytest.fixture
def warm_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which it does not matter what a job's process began with."""
    start_warm_jobs(monkeypatch)


class Roomy:
    """A machine of a chosen size on which nothing but jobs is at work."""

    def __init__(self, *, memory_bytes: int = 10**9, cpus: int = 2) -> None:
        self.memory_bytes, self.cpus = memory_bytes, cpus

    def room(self, running: Sequence[Held]) -> Room:
        whole = Room(self.memory_bytes, 0, self.cpus, 0)
        return Room(
            self.memory_bytes,
            self.memory_bytes - sum(job.needs.memory_bytes for job in running),
            self.cpus,
            self.cpus - sum(cpus_of(job.needs, whole) for job in running),
            jobs_bytes=sum(job.needs.memory_bytes for job in running),
        )


@asynccontextmanager
async def opened(folder: Path, machine: Roomy | None = None, **options: Any) -> AsyncIterator[JobRegistry]:
    """The jobs of one app, from its start to its end."""
    store = Store(f"sqlite:///{folder / 'workbench.db'}")
    runs = RunRegistry(store, save_interval_s=0.05)
    jobs = JobRegistry(runs, folder / "jobs", machine or Roomy(), **options)
    await jobs.open()
    try:
        yield jobs
    finally:
        await jobs.aclose()
        await runs.aclose()
        store.close()


def trial(**options: Any) -> JobSpec:
    """Counts: see :mod:`tests.jobs.trial_jobs`."""
    return make_spec({"kind": "trial", "title": "counts", "options": options})


async def over(run: JobRun) -> JobSnapshot:
    await asyncio.wait_for(run.wait(), TIMEOUT_S)
    return run.snapshot()


async def counting(run: JobRun) -> int:
    """Wait until a job has counted to 1; its process."""
    await until(lambda: run.snapshot().samples)
    pid = run.snapshot().pid
    assert pid is not None
    return pid


async def until(condition: Callable[[], object], *, look: Callable[[], Awaitable[object]] | None = None) -> None:
    """Wait for something that happens by itself, with no other bound than a generous one."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():
            if look is not None:
                await look()
            await asyncio.sleep(0.02)
