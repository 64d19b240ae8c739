"""Several models on one machine: who waits for whom, who is unloaded, and what they are told of each other."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.core.events import Contended, Finished, Queued, Started
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.memory_manager import MemoryManager
from tests.services.asking import LONG, ask, collect, pid_of, text_of
from tests.support.scripted_models import scripted_model


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


async def test_models_that_decode_at_the_same_time_say_so(
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo, tmp_path: Path
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
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo, tmp_path: Path
) -> None:
    other = scripted_model(tmp_path, "other", otherwise="second")
    engine = make_engine(quick, other, memory=MemoryManager(mode="one_at_a_time"))
    await collect(engine.stream("quick", ask()))
    await collect(engine.stream("other", ask()))
    assert [m.name for m in engine.loaded_models()] == ["other"]


async def test_nothing_is_searched_for_garbage_when_a_model_is_unloaded_while_others_write(
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo
) -> None:
    engine = make_engine(quick)
    await engine.load("quick")
    searched: list[int] = []

    def note(phase: str, about: dict[str, int]) -> None:
        searched.append(about["generation"])

    # What Python does now and then by itself is not meant.
    gc.disable()
    gc.callbacks.append(note)
    try:
        await engine.unload("quick")
    finally:
        gc.callbacks.remove(note)
        gc.enable()
    assert (searched, engine.loaded_models()) == ([], [])


async def test_one_at_a_time_makes_a_request_wait_for_the_busy_model(
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo, tmp_path: Path
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


async def test_unloading_ends_the_process(make_engine: Callable[..., InferenceEngine], quick: ModelInfo) -> None:
    engine = make_engine(quick)
    await engine.load("quick")
    pid = pid_of(engine)
    await engine.unload("quick")
    assert engine.loaded_models() == []
    assert not psutil.pid_exists(pid)


async def test_closing_leaves_no_process(
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo, slow: ModelInfo
) -> None:
    engine = make_engine(quick, slow, spare_process=True)
    await engine.start()
    await engine.load("quick")
    await engine.load("slow")
    await engine.aclose()
    children = psutil.Process().children()
    assert not [c for c in children if "worker" in " ".join(c.cmdline())]


async def test_requests_in_one_batch_of_a_model_say_so_and_one_alone_does_not(
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo
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
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo, tmp_path: Path
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
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo
) -> None:
    engine = make_engine(slow, memory=MemoryManager(mode="in_turn"))
    first = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=40))))
    given_up = asyncio.create_task(collect(engine.stream("slow", ask())))
    last = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=2))))
    await asyncio.sleep(0)
    given_up.cancel()
    assert isinstance((await last)[-1], Finished)
    assert isinstance((await first)[-1], Finished)
