"""GPU memory that stays taken after a job; the driver's program stands in for a driver."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from multi_llm_comparator.jobs import gpu_memory
from multi_llm_comparator.jobs.gpu_memory import GpuMemory
from multi_llm_comparator.jobs.machine import Held
from multi_llm_comparator.jobs.queue import Room
from multi_llm_comparator.jobs.spec import changed
from multi_llm_comparator.services import devices
from tests.jobs.conftest import Roomy, counting, opened, over, trial

Tell = Callable[[int, int], None]


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tell]:
    """Sets how many MiB of the GPU are used, and how many of them a process is known to hold."""
    program = tmp_path / "nvidia-smi"

    def tell(used_mib: int, owned_mib: int) -> None:
        program.write_text(
            "#!/bin/sh\n"
            'case "$1" in\n'
            f'  *utilization*) echo "0, {used_mib}, 24576, 0" ;;\n'
            f'  *apps*) echo "4711, {owned_mib}" ;;\n'
            '  *) echo "0, 24576" ;;\n'
            "esac\n"
        )
        program.chmod(0o755)

    tell(300, 0)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(gpu_memory, "CLEARED_WITHIN_S", 0.0)
    devices.gpus.cache_clear()
    yield tell
    devices.gpus.cache_clear()


def test_what_nobody_holds_and_was_free_before_is_said(driver: Tell) -> None:
    memory = GpuMemory()
    driver(4396, 0)
    assert memory.stranded().startswith("4.3 GB of GPU memory were free before the job and are not since")


def test_what_another_process_has_taken_meanwhile_is_nobodys_fault(driver: Tell) -> None:
    memory = GpuMemory()
    driver(4396, 4000)
    assert memory.stranded() == ""


class WithGpu(Roomy):
    def room(self, running: Sequence[Held]) -> Room:
        return replace(super().room(running), total_gpus=1, free_gpus=(0,))


@pytest.mark.slow
@pytest.mark.usefixtures("warm_jobs")
async def test_who_follows_a_job_after_a_restart_of_the_app_knows_what_was_free_before(
    driver: Tell, tmp_path: Path
) -> None:
    gate = tmp_path / "go"
    async with opened(tmp_path, WithGpu()) as jobs:
        run = await jobs.start(changed(trial(gate=str(gate)), needs={"gpus": 1}))
        await counting(run)
    driver(4396, 0)
    gate.touch()
    async with opened(tmp_path, WithGpu()) as jobs:
        job = await over(await jobs.get(run.id))
    assert (job.state, job.attempt) == ("done", 1)
    assert "4.3 GB of GPU memory were free before the job" in job.notes[-1].text


def test_without_a_gpu_there_is_nothing_to_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "_nvidia_smi", lambda query: [])
    devices.gpus.cache_clear()
    assert GpuMemory().stranded() == ""
    devices.gpus.cache_clear()
