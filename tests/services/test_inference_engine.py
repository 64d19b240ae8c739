"""The engine over real model processes, with scripted models: timing and failure are the point here."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import errno
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import (
    Contended,
    Failed,
    Finished,
    Loaded,
    Loading,
    LoadProgressed,
    MemoryMeasured,
    Queued,
    Started,
    TextDelta,
)
from multi_llm_comparator.core.exceptions import ModelLoadError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.model_process import ModelProcess
from tests.support.scripted_models import Catalogue, scripted_model

LONG = "one two three four five six seven eight nine ten " * 40


def ask(text: str = "hello there", **config: Any) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", text),), config=ModelConfig(**config))


async def collect(stream: Any) -> list:
    return [event async for event in stream]


def text_of(events: Any) -> str:
    return "".join(e.text for e in events if isinstance(e, TextDelta))


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[Callable[..., InferenceEngine]]:
    engines = []

    def make(*models: Any, memory: MemoryManager | None = None, **settings: Any) -> InferenceEngine:
        settings = {"spare_process": False, "home": tmp_path, "hang_timeout_s": 60, **settings}
        engine = InferenceEngine(memory, models=Catalogue(*models), settings=Settings(**settings))
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        await engine.aclose()


@pytest.fixture
def slow(tmp_path: Path) -> Any:
    return scripted_model(tmp_path, "slow", otherwise=LONG, tokens_per_second=100)


@pytest.fixture
def quick(tmp_path: Path) -> Any:
    return scripted_model(tmp_path, "quick", otherwise="all done now")


async def test_an_answer_arrives_as_a_stream_of_events_in_order(
    make_engine: Callable[..., InferenceEngine], quick: Any
) -> None:
    # A busy machine may take so long to load that it is told how far it is.
    events = [e for e in await collect(make_engine(quick).stream("quick", ask())) if not isinstance(e, LoadProgressed)]
    kinds = [type(e) for e in events]
    assert kinds[:3] == [Loading, Loaded, Started]
    assert set(kinds[3:-2]) == {TextDelta}
    assert kinds[-2:] == [MemoryMeasured, Finished]
    assert text_of(events) == "all done now"
    assert isinstance(events[-1], Finished)
    assert [e.at for e in events if not isinstance(e, Loaded)] == sorted(
        e.at for e in events if not isinstance(e, Loaded)
    )


async def test_a_loaded_model_is_used_again(make_engine: Callable[..., InferenceEngine], quick: Any) -> None:
    engine = make_engine(quick)
    await collect(engine.stream("quick", ask()))
    (first,) = engine.loaded_models()
    events = await collect(engine.stream(quick.id, ask()))
    assert not any(isinstance(e, Loading) for e in events)
    assert next(e for e in events if isinstance(e, Loaded)).seconds == 0
    assert engine.loaded_models()[0].pid == first.pid
    assert first.memory_bytes and first.memory_bytes > 10e6


async def test_memory_is_measured_again_while_a_model_writes_and_when_it_ends(
    make_engine: Callable[..., InferenceEngine], slow: Any
) -> None:
    events = await collect(make_engine(slow).stream("slow", ask(max_tokens=150)))
    measured = [e for e in events if isinstance(e, MemoryMeasured)]
    assert len(measured) > 1
    assert all(e.memory_bytes > 10e6 for e in measured)
    assert isinstance(events[-2], MemoryMeasured)


async def test_a_model_whose_file_was_replaced_is_loaded_anew(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", otherwise="old words")
    engine = make_engine(model)
    assert text_of(await collect(engine.stream("m", ask()))) == "old words"
    scripted_model(tmp_path, "m", otherwise="the new words")
    assert text_of(await collect(engine.stream("m", ask()))) == "the new words"
    assert len(engine.loaded_models()) == 1


async def test_cores_are_shared_out_as_far_as_the_app_may_use_them(
    make_engine: Callable[..., InferenceEngine], quick: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 4}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(ModelProcess, "set_threads", lambda process, n_threads: given.append(n_threads))
    await collect(make_engine(quick).stream("quick", ask()))
    assert set(given) == {2}


async def test_many_requests_on_one_model_share_its_process(
    make_engine: Callable[..., InferenceEngine], slow: Any
) -> None:
    engine = make_engine(slow)
    streams = [collect(engine.stream("slow", ask(max_tokens=20))) for _ in range(4)]
    answers = await asyncio.gather(*streams)
    assert [isinstance(a[-1], Finished) for a in answers] == [True] * 4
    assert len(engine.loaded_models()) == 1


async def test_other_load_options_mean_another_process(make_engine: Callable[..., InferenceEngine], quick: Any) -> None:
    engine = make_engine(quick)
    await collect(engine.stream("quick", ask(n_ctx=512)))
    await collect(engine.stream("quick", ask(n_ctx=1024)))
    assert len({m.pid for m in engine.loaded_models()}) == 2


async def test_an_unknown_model_fails_with_its_name(make_engine: Callable[..., InferenceEngine]) -> None:
    (event,) = await collect(make_engine().stream("nobody", ask()))
    assert isinstance(event, Failed)
    assert (event.error_type, "'nobody'" in event.message) == ("ModelNotFoundError", True)


async def test_a_wrong_parameter_fails_before_anything_is_loaded(
    make_engine: Callable[..., InferenceEngine], quick: Any
) -> None:
    engine = make_engine(quick)
    (event,) = await collect(engine.stream("quick", ask(temperature=9)))
    assert event.error_type == "InvalidParameterError"
    assert engine.loaded_models() == []


async def test_a_model_with_a_problem_says_which(make_engine: Callable[..., InferenceEngine], quick: Any) -> None:
    quick.config["problem"] = "the file is truncated"
    (event,) = await collect(make_engine(quick).stream("quick", ask()))
    assert event.error_type == "UnsupportedModelError"
    assert "truncated" in event.message


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


async def test_leaving_a_stream_stops_the_model_and_frees_it(
    make_engine: Callable[..., InferenceEngine], slow: Any
) -> None:
    engine = make_engine(slow)
    async with contextlib.aclosing(engine.stream("slow", ask())) as stream:
        async for event in stream:
            if isinstance(event, TextDelta):
                break
    (model,) = engine.loaded_models()
    assert model.active == 0
    again = await asyncio.wait_for(collect(engine.stream("slow", ask(max_tokens=3))), 20)
    assert isinstance(again[-1], Finished)


async def until_text(stream: Any) -> Any:
    async for event in stream:
        if isinstance(event, TextDelta):
            return event
    raise AssertionError("the stream ended without text")


async def test_a_killed_process_fails_its_own_requests_only_and_the_next_one_restarts_it(
    make_engine: Callable[..., InferenceEngine], slow: Any, tmp_path: Path
) -> None:
    other = scripted_model(tmp_path, "other", otherwise=LONG, tokens_per_second=100)
    engine = make_engine(slow, other)
    dying = engine.stream("slow", ask(max_tokens=200))
    bystander = asyncio.create_task(collect(engine.stream("other", ask(max_tokens=60))))
    await until_text(dying)
    (victim,) = [m for m in engine.loaded_models() if m.name == "slow"]
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
    pid = engine.loaded_models()[0].pid
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
    make_engine: Callable[..., InferenceEngine], quick: Any, monkeypatch: pytest.MonkeyPatch
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


async def test_a_model_waits_when_what_is_free_is_promised_to_one_that_is_loading(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "multi_llm_comparator.services.memory_manager"
    monkeypatch.setattr(f"{module}.ram_bytes", lambda: 100 * 10**9)
    monkeypatch.setattr(f"{module}.free_ram_bytes", lambda: 15 * 10**9)
    large = [scripted_model(tmp_path, name, load_s=0.5, otherwise=name) for name in ("first", "second")]
    engine = make_engine(*(dataclasses.replace(model, size=10 * 10**9) for model in large))
    first = asyncio.create_task(collect(engine.stream("first", ask())))
    while not engine.loaded_models():
        await asyncio.sleep(0.02)
    second = await collect(engine.stream("second", ask()))
    assert isinstance(second[0], Queued)
    assert (text_of(await first), text_of(second)) == ("first", "second")


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


async def test_leaving_while_a_shared_model_loads_does_not_end_the_loading_for_others(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", load_s=1, otherwise="here")
    engine = make_engine(model)
    leaving = asyncio.create_task(collect(engine.stream("m", ask())))
    staying = asyncio.create_task(collect(engine.stream("m", ask())))
    await asyncio.sleep(0.3)
    leaving.cancel()
    assert text_of(await staying) == "here"


async def test_models_that_decode_at_the_same_time_say_so(
    make_engine: Callable[..., InferenceEngine], slow: Any, tmp_path: Path
) -> None:
    other = scripted_model(tmp_path, "other", otherwise=LONG, tokens_per_second=50)
    engine = make_engine(slow, other)
    await engine.load("slow")
    await engine.load("other")
    both = await asyncio.gather(
        collect(engine.stream("slow", ask(max_tokens=100))), collect(engine.stream("other", ask(max_tokens=50)))
    )
    marks = [e for events in both for e in events if isinstance(e, Contended)]
    assert {o for m in marks for o in m.others} == {"slow", "other"}


async def test_one_at_a_time_unloads_the_idle_model_for_the_next(
    make_engine: Callable[..., InferenceEngine], quick: Any, tmp_path: Path
) -> None:
    other = scripted_model(tmp_path, "other", otherwise="second")
    engine = make_engine(quick, other, memory=MemoryManager(mode="one_at_a_time"))
    await collect(engine.stream("quick", ask()))
    await collect(engine.stream("other", ask()))
    assert [m.name for m in engine.loaded_models()] == ["other"]


async def test_one_at_a_time_makes_a_request_wait_for_the_busy_model(
    make_engine: Callable[..., InferenceEngine], slow: Any, tmp_path: Path
) -> None:
    other = scripted_model(tmp_path, "other", otherwise="second")
    engine = make_engine(slow, other, memory=MemoryManager(mode="one_at_a_time"))
    first = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=60))))
    while not engine.loaded_models() or engine.loaded_models()[0].state != "ready":
        await asyncio.sleep(0.02)
    events = await collect(engine.stream("other", ask()))
    assert isinstance(events[0], Queued)
    assert text_of(events) == "second"
    assert isinstance((await first)[-1], Finished)


async def test_unloading_ends_the_process(make_engine: Callable[..., InferenceEngine], quick: Any) -> None:
    engine = make_engine(quick)
    await engine.load("quick")
    pid = engine.loaded_models()[0].pid
    await engine.unload("quick")
    assert engine.loaded_models() == []
    assert not psutil.pid_exists(pid)


async def test_closing_leaves_no_process(make_engine: Callable[..., InferenceEngine], quick: Any, slow: Any) -> None:
    engine = make_engine(quick, slow, spare_process=True)
    await engine.start()
    await engine.load("quick")
    await engine.load("slow")
    await engine.aclose()
    children = psutil.Process().children()
    assert not [c for c in children if "worker" in " ".join(c.cmdline())]


async def test_requests_in_one_batch_of_a_model_say_so_and_one_alone_does_not(
    make_engine: Callable[..., InferenceEngine], slow: Any
) -> None:
    engine = make_engine(slow)
    await engine.load("slow")
    alone = await collect(engine.stream("slow", ask(max_tokens=10)))
    assert not [event for event in alone if isinstance(event, Contended)]
    three = await asyncio.gather(*(collect(engine.stream("slow", ask(max_tokens=60))) for _ in range(3)))
    for events in three:
        marks = [event for event in events if isinstance(event, Contended)]
        assert max(mark.batched for mark in marks) == 2
        assert not any(mark.others for mark in marks)


async def test_in_turn_one_answer_follows_another_and_all_models_stay(
    make_engine: Callable[..., InferenceEngine], slow: Any, tmp_path: Path
) -> None:
    other = scripted_model(tmp_path, "other", otherwise=LONG, tokens_per_second=50)
    engine = make_engine(slow, other, memory=MemoryManager(mode="in_turn"))
    names = ("slow", "other", "slow")
    three = await asyncio.gather(*(collect(engine.stream(name, ask(max_tokens=30))) for name in names))
    assert [[e.ahead for e in events if isinstance(e, Queued)] for events in three] == [[], [1], [2, 1]]
    assert not [event for events in three for event in events if isinstance(event, Contended)]
    starts = [next(e.at for e in events if isinstance(e, Started)) for events in three]
    assert starts[1] >= three[0][-1].at
    assert starts[2] >= three[1][-1].at
    assert sorted(model.name for model in engine.loaded_models()) == ["other", "slow"]


async def test_in_turn_a_request_that_is_given_up_leaves_its_place(
    make_engine: Callable[..., InferenceEngine], slow: Any
) -> None:
    engine = make_engine(slow, memory=MemoryManager(mode="in_turn"))
    first = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=40))))
    given_up = asyncio.create_task(collect(engine.stream("slow", ask())))
    last = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=2))))
    await asyncio.sleep(0)
    given_up.cancel()
    assert isinstance((await last)[-1], Finished)
    assert isinstance((await first)[-1], Finished)
