"""Conversions in the background, in real child processes."""

from __future__ import annotations

import asyncio
import signal
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.conversion import jobs as module
from multi_llm_comparator.conversion.gguf_export import export_gguf
from multi_llm_comparator.conversion.jobs import ConversionJob, ConversionJobs
from multi_llm_comparator.conversion.places import folder_beside, remove_leftovers
from multi_llm_comparator.core.exceptions import ConversionError, InvalidParameterError, ModelLoadError
from tests.support.export_checkpoints import QWEN2_SPLIT, byte_level_tokenizer, write_checkpoint


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gguf")
    checkpoint = write_checkpoint(folder / "tiny", "llama", byte_level_tokenizer(QWEN2_SPLIT), num_hidden_layers=1)
    return export_gguf(checkpoint, folder / "tiny-F16.gguf", "F16")


@pytest.fixture
async def jobs() -> AsyncIterator[ConversionJobs]:
    opened = ConversionJobs()
    yield opened
    await opened.aclose()


def slow(folder: Path) -> Path:
    """A source that takes longer than any test: a valid header, and 16 GB of nothing, whose hash is taken first."""
    folder.mkdir(exist_ok=True)
    source = folder / "slow.gguf"
    name = b"general.architecture"
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 3)
    head += struct.pack("<Q", len(name)) + name + struct.pack("<IQ", 8, 5) + b"llama"
    key = b"llama.block_count"
    head += struct.pack("<Q", len(key)) + key + struct.pack("<II", 4, 1)
    key = b"tokenizer.ggml.model"
    head += struct.pack("<Q", len(key)) + key + struct.pack("<IQ", 8, 4) + b"gpt2"
    tensor = b"token_embd.weight"
    head += struct.pack("<Q", len(tensor)) + tensor + struct.pack("<I2QIQ", 2, 2**20, 2**12, 0, 0)
    with source.open("wb") as file:
        file.write(head)
        file.truncate(2**34 + 2**20)
    return source


async def begun(job: ConversionJob) -> None:
    while job.progress.state == "waiting":
        await asyncio.sleep(0.01)


def children() -> list[psutil.Process]:
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            if any("conversion" in word for word in child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


async def test_a_job_makes_the_model_and_tells_what_came_of_it(exported: Path, tmp_path: Path) -> None:
    scans = []
    jobs = ConversionJobs(lambda: scans.append((tmp_path / "out.gguf").exists()))
    job = jobs.start(exported, tmp_path / "out.gguf", "q4_k_m")
    assert jobs.running == (job,)
    ended = await job.wait()
    assert (ended.state, ended.phase, ended.error) == ("done", "quantizing", None)
    assert ended.report is not None and ended.report.out == tmp_path / "out.gguf" and ended.report.fallbacks
    assert scans == [True] and not jobs.running and jobs.jobs == (job,)
    jobs.forget(job)
    assert not jobs.jobs


async def test_what_was_made_is_compared_where_that_is_asked_for(exported: Path, tmp_path: Path) -> None:
    asked = []

    async def check(source: Path, adapter: Path | None, made: Path) -> None:
        asked.append((source, adapter, made))
        if made.stem == "bad":
            raise ConversionError("there is no memory for both")

    jobs = ConversionJobs(check=check)
    good, bad, plain = (
        jobs.start(exported, tmp_path / f"{name}.gguf", "Q8_0", is_checked=name != "plain")
        for name in ("good", "bad", "plain")
    )
    ends = [await job.wait() for job in (good, bad, plain)]
    assert [end.state for end in ends] == ["done"] * 3
    assert [end.unchecked for end in ends] == ["", "there is no memory for both", ""]
    assert asked == [(exported, None, tmp_path / "good.gguf"), (exported, None, tmp_path / "bad.gguf")]


async def test_a_comparison_that_is_stopped_leaves_what_was_made(exported: Path, tmp_path: Path) -> None:
    begun, never = asyncio.Event(), asyncio.Event()

    async def check(source: Path, adapter: Path | None, made: Path) -> None:
        begun.set()
        await never.wait()

    job = ConversionJobs(check=check).start(exported, tmp_path / "out.gguf", "Q8_0", is_checked=True)
    await begun.wait()
    assert job.progress.phase == "comparing" and job.progress.eta_s is None
    await job.cancel()
    assert (job.progress.state, job.progress.unchecked) == ("done", "it was stopped")
    assert (tmp_path / "out.gguf").is_file()


async def test_a_checkpoint_is_made_too(jobs: ConversionJobs, exported: Path, tmp_path: Path) -> None:
    ended = await jobs.start(exported, tmp_path / "back", "pytorch").wait()
    assert ended.state == "done" and (tmp_path / "back" / "model.safetensors").is_file()


async def test_one_works_at_a_time_and_the_next_follows(jobs: ConversionJobs, exported: Path, tmp_path: Path) -> None:
    first, second = (jobs.start(exported, tmp_path / f"{n}.gguf", "Q8_0") for n in (1, 2))
    await begun(first)
    assert second.progress.state == "waiting"
    one, two = await first.wait(), await second.wait()
    assert (one.state, two.state) == ("done", "done")
    assert one.ended_at is not None and two.began_at is not None and one.ended_at <= two.began_at


async def test_a_failure_is_the_error_itself(jobs: ConversionJobs, exported: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(exported.read_bytes()[:-3000])
    ended = await jobs.start(bad, tmp_path / "out.gguf", "Q8_0").wait()
    assert ended.state == "failed" and isinstance(ended.error, ModelLoadError)
    assert "cut off" in str(ended.error)


@pytest.mark.cold
async def test_a_stopped_job_leaves_no_process_and_no_file(jobs: ConversionJobs, tmp_path: Path) -> None:
    job = jobs.start(slow(tmp_path / "source"), tmp_path / "out" / "out.gguf", "Q8_0")
    await begun(job)
    while not children():
        await asyncio.sleep(0.01)
    await job.cancel()
    assert job.progress.state == "cancelled" and children() == []
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


async def test_a_waiting_job_is_stopped_before_it_begins(jobs: ConversionJobs, tmp_path: Path) -> None:
    source = slow(tmp_path / "source")
    first = jobs.start(source, tmp_path / "1.gguf", "Q8_0")
    second = jobs.start(source, tmp_path / "2.gguf", "Q8_0")
    await begun(first)
    await second.cancel()
    assert second.progress.state == "cancelled" and second.progress.began_at is None
    assert first.progress.state == "running"


@pytest.mark.cold
async def test_a_killed_job_is_a_failure_and_what_it_left_is_removed(jobs: ConversionJobs, tmp_path: Path) -> None:
    out = tmp_path / "out" / "out.gguf"
    job = jobs.start(slow(tmp_path / "source"), out, "Q8_0")
    await begun(job)
    while not children():
        await asyncio.sleep(0.01)
    out.parent.mkdir(exist_ok=True)
    (out.parent / ".out.gguf.abc.part").write_text("half")
    for child in children():
        child.send_signal(signal.SIGKILL)
    ended = await job.wait()
    assert ended.state == "failed" and "unexpectedly" in str(ended.error)
    assert list(out.parent.iterdir()) == []


async def test_what_cannot_begin_is_refused_at_once(
    jobs: ConversionJobs, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidParameterError, match="must be one of"):
        jobs.start(exported, tmp_path / "out.gguf", "Q3")
    with pytest.raises(ConversionError, match="is there already"):
        jobs.start(exported, exported, "Q8_0")
    source = slow(tmp_path / "source")
    jobs.start(source, tmp_path / "out.gguf", "Q8_0")
    with pytest.raises(ConversionError, match="being made"):
        jobs.start(source, tmp_path / "out.gguf", "Q4_0")
    monkeypatch.setattr(module, "MAX_WAITING", 1)
    jobs.start(source, tmp_path / "second.gguf", "Q8_0")
    with pytest.raises(ConversionError, match="wait already"):
        jobs.start(source, tmp_path / "third.gguf", "Q8_0")


def test_only_leftovers_of_the_same_goal_are_removed(tmp_path: Path) -> None:
    with folder_beside(tmp_path / "model") as half:
        (half / "file").write_text("")
        kept = [".model.txt", "model.abc.part", ".other.abc.part"]
        for name in kept:
            (tmp_path / name).write_text("")
        remove_leftovers(tmp_path / "model")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)


@pytest.mark.cold
async def test_a_conversion_that_takes_more_memory_than_it_may_is_ended_with_the_numbers(tmp_path: Path) -> None:
    jobs = ConversionJobs(limit_bytes=lambda: 1_000_000)
    job = jobs.start(slow(tmp_path), tmp_path / "out-Q8_0.gguf", "Q8_0")
    progress = await job.wait()
    assert progress.state == "failed"
    assert "the conversion of 'slow.gguf' used " in str(progress.error)
    assert "raise max_memory_gb" in str(progress.error)
    assert [path.name for path in tmp_path.iterdir()] == ["slow.gguf"]
    await jobs.aclose()
