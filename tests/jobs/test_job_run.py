from __future__ import annotations

import json
from pathlib import Path

import pytest

from multi_llm_comparator.core.exceptions import ConfigurationError, InsufficientMemoryError
from multi_llm_comparator.jobs.spec import changed, make_spec
from tests.jobs.conftest import counting, opened, over, trial


async def test_a_job_tells_what_it_does_and_what_came_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_API_KEY", "sk-1234")
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(steps=3))
        assert run.state == "queued"
        job = await over(run)
    assert (job.state, job.error, job.attempt) == ("done", None, 1)
    assert [(point.step, point.value) for point in job.curves["loss"]] == [(1, 1.0), (2, 1 / 2), (3, 1 / 3)]
    assert [sample.answer for sample in job.samples] == ["2", "3", "4"]
    assert job.result == {"counted": 3, "loss": 1 / 3}
    assert [(a.kind, a.about) for a in job.artefacts] == [("adapter", {"digits": 1})]
    assert job.progress is not None and job.progress.share == 1.0
    assert job.log_tail[-1] == "step 3"
    assert [note.text for note in job.notes] == ["threads: 2, secret: None"]


async def test_what_a_job_told_is_there_when_the_app_is_opened_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        before = await over(await jobs.start(trial(steps=2)))
    async with opened(tmp_path) as jobs:
        (summary,) = await jobs.list()
        after = (await jobs.get(summary.id)).snapshot()
    assert summary.detail == "2 of 2 steps, loss 0.5"
    assert after.curves == before.curves and after.samples == before.samples
    assert (after.state, after.result, after.artefacts) == ("done", before.result, before.artefacts)


async def test_a_job_that_is_stopped_ends_between_two_steps_and_continues_when_it_is_resumed(tmp_path: Path) -> None:
    gate = tmp_path / "go"
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(steps=20, gate=str(gate)))
        await counting(run)
        await jobs.stop(run.id)
        stopped = await over(run)
        assert (stopped.state, stopped.notes, len(stopped.samples)) == ("stopped", (), 1)
        gate.touch()
        await jobs.resume(run.id)
        done = await over(run)
    assert (done.state, done.attempt) == ("done", 2)
    assert [point.step for point in done.curves["loss"]] == list(range(1, 21))


async def test_a_job_goes_on_with_what_was_changed_and_keeps_it(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(steps=2, fails_at=2))
        assert (await over(run)).state == "failed"
        await jobs.resume(run.id, fails_at=0)
        assert (await over(run)).state == "done"
        await jobs.resume(run.id, fails_at=1)
        assert run.spec.options["fails_at"] == 0
    async with opened(tmp_path) as jobs:
        assert (await jobs.get(run.id)).spec.options["fails_at"] == 0


async def test_a_job_that_does_not_stop_is_killed_after_its_grace(tmp_path: Path) -> None:
    async with opened(tmp_path, grace_s=0.5) as jobs:
        run = await jobs.start(trial(gate=str(tmp_path / "go"), deaf=True))
        await counting(run)
        await jobs.stop(run.id)
        job = await over(run)
    assert job.state == "stopped"
    assert "was killed" in job.notes[-1].text


@pytest.mark.parametrize(
    ("options", "type", "text"),
    [
        ({"fails_at": 2}, "TrainingError", "there is no such number; count to less"),
        ({"breaks_at": 1}, "JobError", "the job broke: ValueError: an accident; its log has the details"),
        ({"quits_at": 1}, "JobError", "the process of the job ended with code 3; the last that it printed: leaving"),
    ],
)
async def test_a_job_that_fails_says_why(tmp_path: Path, options: dict[str, int], type: str, text: str) -> None:
    async with opened(tmp_path) as jobs:
        job = await over(await jobs.start(trial(**options)))
    assert job.state == "failed" and job.error is not None
    assert job.error.type == type and job.error.text.startswith(text)


async def test_what_cannot_be_a_job_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="named like a secret"):
        make_spec({"kind": "trial", "title": "t", "environment": {"HF_TOKEN": "x"}})
    async with opened(tmp_path) as jobs:
        with pytest.raises(ConfigurationError, match="no job of kind 'knitting'"):
            await jobs.start(changed(trial(), kind="knitting"))
        with pytest.raises(InsufficientMemoryError, match=r"needs 2.00 GB; .* may take 1.00 GB"):
            await jobs.start(changed(trial(), needs={"memory_bytes": 2 * 10**9}))
        assert await jobs.list() == []
    assert not (tmp_path / "jobs").exists() or not list((tmp_path / "jobs").iterdir())


async def test_a_job_is_a_file_that_can_be_run_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        run = await jobs.start(trial(steps=1))
        await over(run)
        stored = json.loads(run.folder.spec_file.read_text())
        assert make_spec(stored) == run.spec
        again = await jobs.duplicate(run.id, steps=2)
        assert again.options == {"steps": 2}


async def test_a_job_that_takes_more_memory_than_there_is_for_models_is_ended_with_the_numbers(tmp_path: Path) -> None:
    async with opened(tmp_path) as jobs:
        hungry = changed(trial(eats=400_000_000), environment={"MLC_MAX_MEMORY_GB": "0.3"})
        job = await over(await jobs.start(hungry))
    assert job.state == "failed" and job.error is not None and job.error.type == InsufficientMemoryError.__name__
    assert "of at most 300 MB" in job.error.text and "raise max_memory_gb" in job.error.text
