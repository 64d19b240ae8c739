"""Jobs in the workbench, as pages have them: its end is not theirs."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from multi_llm_comparator import workbench
from multi_llm_comparator.core.settings import default_home
from multi_llm_comparator.jobs.job_run import JobRun
from multi_llm_comparator.jobs.spec import changed
from tests.jobs.conftest import TIMEOUT_S, counting, over, trial


@pytest.mark.slow
def test_a_job_goes_on_while_the_workbench_is_closed_and_is_followed_when_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLC_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("MLC_CONFIGS_DIR", str(tmp_path / "configs"))
    monkeypatch.setenv("MLC_SPARE_PROCESS", "false")
    gate = tmp_path / "go"
    spec = changed(trial(steps=2, gate=str(gate)), needs={"memory_bytes": 10**6})
    bench = workbench.get_workbench()
    try:

        async def begun() -> JobRun:
            run = await bench.jobs.start(spec)
            await counting(run)
            return run

        run = bench.bridge.run(begun(), timeout_s=TIMEOUT_S)
        pid = run.snapshot().pid
        assert pid is not None and bench.engine.memory_manager.other_work()[0] >= 10**6
        assert run.folder.path == default_home() / "jobs" / run.id
        workbench.close_workbench()
        assert psutil.pid_exists(pid)

        bench = workbench.get_workbench()
        again = bench.bridge.run(bench.jobs.get(run.id), timeout_s=TIMEOUT_S)
        assert again is not run and again.snapshot().pid == pid
        gate.touch()
        job = bench.bridge.run(over(again), timeout_s=TIMEOUT_S)
        assert (job.state, job.attempt) == ("done", 1)
    finally:
        gate.touch()
        workbench.close_workbench()
