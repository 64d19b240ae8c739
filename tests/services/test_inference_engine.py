"""The engine over real model processes, with scripted models: answers, and what they share."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from multi_llm_comparator.core.events import (
    Failed,
    Finished,
    Loaded,
    Loading,
    LoadProgressed,
    MemoryMeasured,
    Started,
    TextDelta,
)
from multi_llm_comparator.core.models import ModelInfo
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_process import ModelProcess
from tests.services.asking import ask, collect, text_of
from tests.support.scripted_models import scripted_model


async def test_an_answer_arrives_as_a_stream_of_events_in_order(
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo
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


async def test_a_loaded_model_is_used_again(make_engine: Callable[..., InferenceEngine], quick: ModelInfo) -> None:
    engine = make_engine(quick)
    await collect(engine.stream("quick", ask()))
    (first,) = engine.loaded_models()
    events = await collect(engine.stream(quick.id, ask()))
    assert not any(isinstance(e, Loading) for e in events)
    assert next(e for e in events if isinstance(e, Loaded)).seconds == 0
    assert engine.loaded_models()[0].pid == first.pid
    assert first.memory_bytes and first.memory_bytes > 10e6


async def test_memory_is_measured_again_while_a_model_writes_and_when_it_ends(
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo
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
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 4}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(ModelProcess, "set_threads", lambda process, n_threads: given.append(n_threads))
    await collect(make_engine(quick).stream("quick", ask()))
    assert set(given) == {2}


async def test_many_requests_on_one_model_share_its_process(
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo
) -> None:
    engine = make_engine(slow)
    streams = [collect(engine.stream("slow", ask(max_tokens=20))) for _ in range(4)]
    answers = await asyncio.gather(*streams)
    assert [isinstance(a[-1], Finished) for a in answers] == [True] * 4
    assert len(engine.loaded_models()) == 1


async def test_other_load_options_mean_another_process(
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo
) -> None:
    engine = make_engine(quick)
    await collect(engine.stream("quick", ask(n_ctx=512)))
    await collect(engine.stream("quick", ask(n_ctx=1024)))
    assert len({m.pid for m in engine.loaded_models()}) == 2


async def test_an_unknown_model_fails_with_its_name(make_engine: Callable[..., InferenceEngine]) -> None:
    (event,) = await collect(make_engine().stream("nobody", ask()))
    assert isinstance(event, Failed)
    assert (event.error_type, "'nobody'" in event.message) == ("ModelNotFoundError", True)


async def test_a_wrong_parameter_fails_before_anything_is_loaded(
    make_engine: Callable[..., InferenceEngine], quick: ModelInfo
) -> None:
    engine = make_engine(quick)
    (event,) = await collect(engine.stream("quick", ask(temperature=9)))
    assert event.error_type == "InvalidParameterError"
    assert engine.loaded_models() == []


async def test_a_model_with_a_problem_says_which(make_engine: Callable[..., InferenceEngine], quick: ModelInfo) -> None:
    quick.config["problem"] = "the file is truncated"
    (event,) = await collect(make_engine(quick).stream("quick", ask()))
    assert event.error_type == "UnsupportedModelError"
    assert "truncated" in event.message


async def test_leaving_a_stream_stops_the_model_and_frees_it(
    make_engine: Callable[..., InferenceEngine], slow: ModelInfo
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
