"""Jobs on a real Ray cluster of one machine, which these tests start once. It takes 2 GB and some seconds."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.jobs import ray_backend, registry
from multi_llm_comparator.jobs.events import Ended, JobEvent, PointMade, event_line
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.ray_backend import submission, work_on_cluster
from multi_llm_comparator.jobs.ray_entry import MARK, SPEC_VARIABLE
from multi_llm_comparator.jobs.spec import JobSpec, changed
from tests.jobs.conftest import counting, opened, over, trial, until
from tests.support.ray_cluster import Cluster, free_port, needs_ray


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    made = Cluster(tmp_path, Path(os.environ["PYTHONPATH"].split(os.pathsep)[0]))
    try:
        await made.start()
        yield made
    finally:
        made.stop()


def on(cluster: Cluster, spec: JobSpec) -> JobSpec:
    return changed(spec, backend="ray", address=cluster.address, needs={"cpus": 1, "memory_bytes": 10**8})


@needs_ray
@pytest.mark.slow
async def test_a_job_runs_on_a_cluster_is_stopped_resumed_found_again_and_interrupted(
    tmp_path: Path, cluster: Cluster
) -> None:
    """One story, for a cluster takes long to start."""
    gate = tmp_path / "go"
    async with opened(tmp_path) as jobs:
        run = await jobs.start(on(cluster, trial(steps=3, gate=str(gate))))
        await counting(run)
        assert run.snapshot().phase == "counting"
        await jobs.stop(run.id)
        stopped = await over(run)
        assert (stopped.state, len(stopped.samples), stopped.error) == ("stopped", 1, None)

        await jobs.resume(run.id)
        await until(lambda: run.snapshot().phase == "counting")
        # What follows the cluster is killed; the job there does not notice.
        psutil.Process(run.snapshot().pid).kill()
        assert (await over(run)).state == "interrupted"
        await jobs.resume(run.id)
        await until(lambda: any("followed again" in note.text for note in run.snapshot().notes))
        gate.touch()
        done = await over(run)
        assert done.state == "done", (done.error, done.log_tail)
        assert [point.step for point in done.curves["loss"]] == [1, 2, 3]
        assert done.result == {"counted": 3, "loss": 1 / 3}
        assert [Path(artefact.path).read_text() for artefact in done.artefacts] == ["3"]
        assert "step 3" in done.log_tail

        failing = await jobs.start(on(cluster, trial(fails_at=1)))
        failed = await over(failing)
        assert failed.error is not None and failed.error.type == "TrainingError"

    lost = await lost_with(cluster, tmp_path)
    assert lost.outcome == "interrupted"
    assert "does not answer" in lost.text and "resume the job when it is back" in lost.text


async def lost_with(cluster: Cluster, place: Path) -> Ended:
    """How a job ends whose cluster ends while it counts. As in the process of the job, with less patience."""
    folder, told = JobFolder(place / "jobs" / "0123456789ab"), list[JobEvent]()
    spec = on(cluster, trial(gate=str(place / "closed")))
    folder.make(spec)
    work = asyncio.create_task(
        asyncio.to_thread(work_on_cluster, spec, folder, told.append, lambda: False, lost_after_s=1.0)
    )
    await until(lambda: any(isinstance(event, PointMade) for event in told))
    cluster.stop()
    return await work


def test_what_comes_out_of_a_log_in_pieces_is_told_once() -> None:
    events: list[JobEvent] = []
    printed: list[str] = []
    lines = ray_backend._Lines(events.append, printed.append)
    first, second = (event_line(PointMade(series="loss", step=step, value=1.0)).decode() for step in (1, 2))
    text = f"hello\n\n{MARK}{first}half a line\n{MARK}{second}{MARK}garbage\nbye\n"
    for place in range(0, len(text), 7):
        lines.add(text[place : place + 7])
    lines.begin_again()
    lines.add(f"{text}more\n")
    assert [event.step for event in events if isinstance(event, PointMade)] == [1, 2]
    assert printed == ["hello", "half a line", "bye", "more"]


def test_the_resources_of_a_job_are_those_that_ray_is_asked_for() -> None:
    spec = changed(trial(), backend="ray", address="http://10.0.0.1:8265", needs={"cpus": 3, "memory_bytes": 5})
    asked = submission(spec, "0123456789ab")
    assert (asked["entrypoint_num_cpus"], asked["entrypoint_num_gpus"], asked["entrypoint_memory"]) == (3, None, 5)
    variables = asked["runtime_env"]["env_vars"]
    assert variables["RAY_JOB_STOP_WAIT_TIME_S"] == str(ray_backend.STOP_GRACE_S)
    assert '"backend":"local"' in variables[SPEC_VARIABLE]
    with pytest.raises(ConfigurationError, match="at most 100000 reach a Ray cluster"):
        submission(changed(spec, text="x" * 200_000), "0123456789ab")


def test_a_cluster_that_nobody_can_reach_interrupts_the_job(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    spec = changed(trial(), backend="ray", address=f"http://127.0.0.1:{free_port()}")
    folder = JobFolder(tmp_path / "0123456789ab")
    folder.make(spec)
    ended = work_on_cluster(spec, folder, lambda event: None, lambda: False, lost_after_s=0.0)
    assert isinstance(ended, Ended) and ended.outcome == "interrupted" and "does not answer" in ended.text


async def test_no_more_jobs_are_followed_on_clusters_than_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setattr(registry, "MAX_ON_CLUSTERS", 0)
    async with opened(tmp_path) as jobs:
        run = await jobs.start(changed(trial(), backend="ray", address="http://127.0.0.1:1"))
        await until(lambda: run.snapshot().waits_for)
        waits = run.snapshot().waits_for
        assert waits is not None and (waits.what, waits.ahead) == ("turn", 0)
        await jobs.stop(run.id)
        assert (await over(run)).attempt == 0


async def test_a_job_for_a_cluster_is_refused_without_ray_or_without_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path) as jobs:
        with pytest.raises(ConfigurationError, match="is no address of a Ray cluster; give"):
            await jobs.start(changed(trial(), backend="ray", address="localhost"))
        monkeypatch.setattr(registry, "find_spec", lambda name: None)
        with pytest.raises(ConfigurationError, match=r"Ray is missing: pip install '\.\[ray\]'"):
            await jobs.start(changed(trial(), backend="ray", address="http://127.0.0.1:8265"))
