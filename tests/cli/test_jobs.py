"""``llm-cooperation jobs`` as a person types it, on jobs that an app has left."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

import pytest

from multi_llm_comparator.core.settings import default_home
from tests.jobs.conftest import counting, opened, over, trial, trial_kind, warm_jobs
from tests.support.warm_python import warm_python

__all__ = ["trial_kind", "warm_jobs"]
pytestmark = pytest.mark.usefixtures("warm_jobs")
ROOT = Path(__file__).parents[2]


async def typed(*words: str) -> subprocess.CompletedProcess[str]:
    return await run_module("multi_llm_comparator.cli", "jobs", *words)


async def run_module(*words: str) -> subprocess.CompletedProcess[str]:
    command = [warm_python(), "-m", *words]
    return await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)


async def test_tasks_of_lm_eval_are_for_models_of_this_machine() -> None:
    told = await typed("lm-eval", "--model", "nobody", "--task", "arc_easy")
    assert told.returncode == 2
    assert "'nobody' is no model of this machine" in " ".join(told.stderr.split())


@pytest.mark.slow
async def test_a_job_is_listed_shown_stopped_and_resumed(tmp_path: Path) -> None:
    gate = tmp_path / "go"
    async with opened(default_home()) as jobs:
        run = await jobs.start(trial(steps=3, gate=str(gate)))
        await counting(run)
        told = await typed("stop", run.id)
        assert told.returncode == 0, told.stderr
        assert (await over(run)).state == "stopped"
    listed = await typed("list")
    assert f"{run.id}" in listed.stdout and "stopped" in listed.stdout and "1 of 3 steps, loss 1" in listed.stdout
    gate.touch()
    resumed = await typed("resume", run.id)
    assert resumed.returncode == 0, resumed.stderr
    shown = await typed("show", run.id)
    for line in ("state: done", "progress: 3 of 3 steps", "loss: 0.333333 at step 3", "  step 3"):
        assert line in shown.stdout
    told = json.loads((await typed("show", run.id, "--json")).stdout)
    assert (told["id"], told["state"], told["progress"]["done"]) == (run.id, "done", 3)
    assert [one["id"] for one in json.loads((await typed("list", "--json")).stdout)] == [run.id]
    assert (await typed("show", "nothing")).returncode == 2


@pytest.mark.slow
async def test_the_command_that_tunes_puts_a_job_into_the_queue(tmp_path: Path) -> None:
    pairs = [{"prompt": f"What colour is box {n}?", "completion": "blue"} for n in range(8)]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs), encoding="utf-8")
    places = {"model_path": ROOT / "models/pytorch/demo-small", "data_path": tmp_path / "pairs.json"}
    words = [word for name, place in places.items() for word in (f"--{name}", str(place))]
    words += ["--output_dir", str(tmp_path / "tuned"), "--epochs", "1", "--as_job"]
    told = await run_module("multi_llm_comparator.training.trainer", *words)
    assert told.returncode == 0, told.stderr
    assert (tmp_path / "tuned" / "model.safetensors").is_file()
    listed = await typed("list")
    assert "demo-small · pairs.json" in listed.stdout and "done" in listed.stdout
    shown = json.loads((await typed("show", listed.stdout.split()[0], "--json")).stdout)
    assert shown["spec"]["needs"]["memory_bytes"] > 10**8
