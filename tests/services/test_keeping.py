"""Which models stay in memory, with real model processes: idle, pinned, loaded at the start, and who waits for whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.events import (
    Failed,
    Finished,
    Loaded,
    LoadProgressed,
    Queued,
    Started,
    event_from_dict,
    event_to_dict,
)
from multi_llm_comparator.core.settings import ModelServing, Settings
from multi_llm_comparator.services import residency
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.keeping import Keeping
from multi_llm_comparator.services.memory_manager import MemoryManager
from tests.services.asking import LONG, ask, collect, pid_of, until
from tests.support.scripted_models import Catalogue, scripted_model


@pytest.fixture
def models(tmp_path: Path) -> dict[str, Any]:
    return {
        "slow": scripted_model(tmp_path, "slow", otherwise=LONG, tokens_per_second=100),
        **{name: scripted_model(tmp_path, name, otherwise="all done") for name in ("a", "b")},
    }


@pytest.fixture
async def make(tmp_path: Path, models: dict[str, Any]) -> AsyncIterator[Callable[..., InferenceEngine]]:
    engines: list[InferenceEngine] = []

    def make(mode: str = "one_at_a_time", **settings: Any) -> InferenceEngine:
        chosen = Settings(**{"spare_process": False, "home": tmp_path, "hang_timeout_s": 60, **settings})
        memory = MemoryManager(mode=mode)  # type: ignore[arg-type]
        engines.append(InferenceEngine(memory, models=Catalogue(*models.values()), settings=chosen))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.aclose()


def names(engine: InferenceEngine) -> list[str]:
    return sorted(model.name for model in engine.loaded_models())


async def test_an_idle_model_is_unloaded_after_its_time_and_a_pinned_one_stays(
    make: Callable[..., InferenceEngine],
) -> None:
    engine = make("auto", idle_unload_s=0.2, model_serving={"a": ModelServing(pinned=True)})
    await engine.load("a")
    await collect(engine.stream("b", ask()))
    await until(lambda: names(engine) == ["a"])
    # Unpinned, it has been idle for long enough.
    await engine.follow(Settings(idle_unload_s=0.2))
    await until(lambda: names(engine) == [])


async def test_a_busy_model_is_not_idle(make: Callable[..., InferenceEngine]) -> None:
    engine = make("auto", idle_unload_s=0.2)
    events = await collect(engine.stream("slow", ask(max_tokens=60)))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "length"
    await until(lambda: names(engine) == [])


async def test_a_pinned_model_does_not_leave_for_another_which_says_so(make: Callable[..., InferenceEngine]) -> None:
    engine = make(model_serving={"a": ModelServing(pinned=True)})
    await engine.load("a")
    (last,) = [event for event in await collect(engine.stream("b", ask())) if isinstance(event, Failed)]
    assert last.error_type == "InsufficientMemoryError"
    assert "unpin or unload them" in last.message
    assert names(engine) == ["a"]
    await engine.unload("a")
    assert isinstance((await collect(engine.stream("b", ask())))[-1], Finished)


async def test_models_of_the_start_are_loaded_and_those_that_cannot_be_are_passed_over(
    make: Callable[..., InferenceEngine],
) -> None:
    engine = make("auto", model_serving={"gone": ModelServing(at_start=True), "a": ModelServing(at_start=True)})
    await engine.load_at_start()
    assert names(engine) == ["a"]


async def test_all_who_wait_for_one_model_share_its_load_and_models_change_seldom(
    make: Callable[..., InferenceEngine],
) -> None:
    engine = make()
    first = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=60))))
    await until(lambda: names(engine) == ["slow"])
    asked = [asyncio.create_task(collect(engine.stream(name, ask()))) for name in ("a", "b", "a", "b", "a")]
    await until(lambda: engine.waiting() == {"a": 3, "b": 2})
    answers = await asyncio.gather(first, *asked)
    assert all(isinstance(events[-1], Finished) for events in answers)
    assert all(isinstance(events[0], Queued) for events in answers[1:])
    loads = {round(event.seconds, 6) for events in answers[1:] for event in events if isinstance(event, Loaded)}
    assert len(loads - {0.0}) == 2
    starts: dict[str, list[float]] = {name: [] for name in ("a", "b")}
    for name, events in zip("ababa", answers[1:], strict=True):
        starts[name] += [event.at for event in events if isinstance(event, Started)]
    assert max(starts["a"]) <= min(starts["b"])


async def test_who_has_waited_for_long_goes_before_new_requests_to_the_model_in_memory(
    make: Callable[..., InferenceEngine],
) -> None:
    engine = make(model_patience_s=0.0)
    first = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=100))))
    await until(lambda: names(engine) == ["slow"])
    waits = asyncio.create_task(collect(engine.stream("a", ask())))
    await until(lambda: engine.waiting() == {"a": 1})
    late = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=2))))
    events, late_events = await waits, await late
    assert (await first)[-1].reason == "length"
    started = next(event.at for event in late_events if isinstance(event, Started))
    assert events[-1].at <= started


async def test_more_than_may_wait_are_refused(make: Callable[..., InferenceEngine]) -> None:
    engine = make(max_waiting=1)
    first = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=60))))
    await until(lambda: names(engine) == ["slow"])
    waits = asyncio.create_task(collect(engine.stream("a", ask())))
    await until(lambda: engine.waiting() == {"a": 1})
    (refused,) = await collect(engine.stream("b", ask()))
    assert refused.error_type == "QueueFullError"
    assert isinstance((await waits)[-1], Finished)
    assert isinstance((await first)[-1], Finished)


async def test_a_waiter_who_leaves_costs_nobody_a_load(make: Callable[..., InferenceEngine]) -> None:
    engine = make()
    first = asyncio.create_task(collect(engine.stream("slow", ask(max_tokens=40))))
    await until(lambda: names(engine) == ["slow"])
    leaves = asyncio.create_task(collect(engine.stream("a", ask())))
    await until(lambda: engine.waiting() == {"a": 1})
    leaves.cancel()
    await asyncio.gather(leaves, return_exceptions=True)
    assert engine.waiting() == {}
    await first
    again = await collect(engine.stream("slow", ask(max_tokens=1)))
    assert not [event for event in again if isinstance(event, Loaded) and event.seconds]


async def test_how_far_a_load_is_comes_into_the_stream(
    make: Callable[..., InferenceEngine], models: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residency, "PROGRESS_EVERY_S", 0.05)
    models["heavy"] = scripted_model(tmp_path, "heavy", otherwise="done", load_s=0.5)
    events = await collect(make("auto").stream("heavy", ask()))
    told = [event for event in events if isinstance(event, LoadProgressed)]
    assert told
    assert {event.model for event in told} == {"heavy"}
    assert told[-1].memory_bytes > 0
    assert told[-1].expected_bytes > 0
    assert [event.seconds for event in told] == sorted(event.seconds for event in told)
    assert event_from_dict(event_to_dict(told[0])) == told[0]


async def test_slots_that_are_set_hold_at_once_and_without_loading_again(make: Callable[..., InferenceEngine]) -> None:
    engine = make("auto", parallel_requests=1)
    await engine.load("slow")
    pid = pid_of(engine)
    await engine.follow(Settings(model_serving={"slow": ModelServing(slots=3)}))
    three = await asyncio.gather(*(collect(engine.stream("slow", ask(max_tokens=30))) for _ in range(3)))
    starts = [next(event.at for event in events if isinstance(event, Started)) for events in three]
    assert max(starts) < min(events[-1].at for events in three)
    assert (engine.loaded_models()[0].pid, engine.loaded_models()[0].slots) == (pid, 3)


def test_what_is_set_for_a_model_counts_before_what_is_set_for_all(models: dict[str, Any]) -> None:
    own = {models["a"].id: ModelServing(idle_unload_s=0), "b": ModelServing(idle_unload_s=5)}
    keeping = Keeping(Settings(idle_unload_s=60, model_serving=own))
    assert [keeping.idle_unload_s(models[name]) for name in ("slow", "a", "b")] == [60, None, 5]
    keeping.follow(Settings(model_serving={"a": ModelServing(pinned=True, at_start=True, idle_unload_s=5)}))
    assert keeping.idle_unload_s(models["a"]) is None
    assert keeping.at_start == ("a",)
