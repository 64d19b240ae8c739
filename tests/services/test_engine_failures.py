"""What an engine does when a model process crashes, hangs, cannot be started or is told to end."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from multi_llm_comparator.core.events import Failed, Finished, Started
from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.inference_engine import InferenceEngine
from tests.services.asking import LONG, ask, collect, pid_of, text_of, until_text
from tests.support.scripted_models import scripted_model


async def test_a_model_that_refuses_to_load_gives_its_reason_and_can_be_tried_again(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", faults=[{"kind": "error", "at": "load", "message": "bad weights"}])
    engine = make_engine(model)
    for _ in range(2):
        event = (await collect(engine.stream("m", ask())))[-1]
        assert isinstance(event, Failed)
        assert "bad weights" in event.message
    assert engine.loaded_models() == []


async def test_a_killed_process_fails_its_own_requests_only_and_the_next_one_restarts_it(
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo, tmp_path: Path
) -> None:
    other = scripted_model(tmp_path, "other", otherwise=LONG, tokens_per_second=100)
    engine = make_engine(slow, other)
    dying = engine.stream("slow", ask(max_tokens=200))
    bystander = asyncio.create_task(collect(engine.stream("other", ask(max_tokens=60))))
    await until_text(dying)
    (victim,) = [m for m in engine.loaded_models() if m.name == "slow"]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    last = (await collect(dying))[-1]
    assert isinstance(last, Failed)
    assert last.error_type == "ModelProcessDied"
    assert "SIGKILL" in last.message
    assert isinstance((await bystander)[-1], Finished)
    again = await collect(engine.stream("slow", ask(max_tokens=3)))
    assert isinstance(again[-1], Finished)
    assert next(m for m in engine.loaded_models() if m.name == "slow").pid != victim.pid


async def test_a_hung_process_is_noticed_killed_and_reported(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", otherwise=LONG, faults=[{"kind": "hang", "after_tokens": 2}])
    engine = make_engine(model, hang_timeout_s=0.5)
    events = await collect(engine.stream("m", ask()))
    assert events[-1].error_type == "ModelProcessHung"
    assert text_of(events) != ""


async def test_unloading_a_model_that_is_being_loaded_fails_who_waits_for_it_and_it_can_be_asked_again(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", load_s=60)
    engine = make_engine(model)
    waiting = [asyncio.create_task(collect(engine.stream("m", ask()))) for _ in range(2)]
    while not engine.loaded_models() or engine.loaded_models()[0].pid is None:
        await asyncio.sleep(0.02)
    pid = pid_of(engine)
    await engine.unload("m")
    for events in await asyncio.gather(*waiting):
        assert events[-1].error_type == "ModelLoadError"
        assert "unloaded" in events[-1].message
    assert engine.loaded_models() == []
    assert not psutil.pid_exists(pid)
    scripted_model(tmp_path, "m", otherwise="here again")
    assert text_of(await collect(engine.stream("m", ask()))) == "here again"


async def test_loading_ahead_that_is_called_off_says_so(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    engine = make_engine(scripted_model(tmp_path, "m", load_s=60))
    loading = asyncio.create_task(engine.load("m"))
    while not engine.loaded_models():
        await asyncio.sleep(0.02)
    await engine.unload("m")
    with pytest.raises(ModelLoadError, match="unloaded"):
        await loading


@pytest.mark.cold
async def test_a_process_that_cannot_be_started_fails_the_answer_and_nothing_else(
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*arguments: Any, **options: Any) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    engine = make_engine(quick)
    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "create_subprocess_exec", refuse)
        event = (await collect(engine.stream("quick", ask())))[-1]
    assert (event.error_type, os.strerror(errno.EMFILE) in event.message) == ("ModelLoadError", True)
    assert text_of(await collect(engine.stream("quick", ask()))) == "all done now"


async def test_a_model_that_crashed_while_loading_is_not_loaded_a_second_time(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    fault = {"kind": "crash", "at": "load", "unless_safe": True}
    engine = make_engine(scripted_model(tmp_path, "m", otherwise="fine", faults=[fault]))
    for _ in range(2):
        assert text_of(await collect(engine.stream("m", ask()))) == "fine"
    assert len(engine.loaded_models()) == 1


async def test_safe_settings_that_cannot_be_written_down_hold_all_the_same(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    (tmp_path / "safe_settings.json").mkdir()
    fault = {"kind": "crash", "unless_safe": True}
    engine = make_engine(scripted_model(tmp_path, "m", otherwise="fine", faults=[fault]))
    assert text_of(await collect(engine.stream("m", ask()))) == "fine"


@pytest.mark.parametrize("at", ["load", "answer"])
async def test_a_first_crash_is_retried_once_with_safe_settings_and_remembered(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path, at: str
) -> None:
    fault = {"kind": "crash", "at": at, "unless_safe": True}
    model = scripted_model(tmp_path, "m", otherwise="fine", faults=[fault])
    engine = make_engine(model)
    events = await collect(engine.stream("m", ask()))
    assert text_of(events) == "fine"
    assert engine.loaded_models()[0].options.safe
    later = make_engine(model)
    await collect(later.stream("m", ask()))
    assert later.loaded_models()[0].options.safe


async def test_a_model_that_crashes_with_safe_settings_too_fails(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", otherwise="x", faults=[{"kind": "crash", "at": "load"}])
    events = await collect(make_engine(model).stream("m", ask()))
    assert isinstance(events[-1], Failed)
    assert "SIGABRT" in events[-1].message


async def test_a_crash_after_text_is_an_error_and_not_retried(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    fault = {"kind": "crash", "after_tokens": 2, "unless_safe": True}
    model = scripted_model(tmp_path, "m", otherwise=LONG, faults=[fault])
    events = await collect(make_engine(model).stream("m", ask()))
    assert events[-1].error_type == "ModelProcessDied"
    assert sum(isinstance(e, Started) for e in events) == 1


async def test_a_load_that_takes_too_long_is_given_up(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", load_s=60)
    event = (await collect(make_engine(model, load_timeout_s=0.5).stream("m", ask())))[-1]
    assert isinstance(event, Failed)
    assert "0.5 s" in event.message
