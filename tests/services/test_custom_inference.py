"""A user's own inferencers, which may fail, block and be left at any step."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from multi_llm_comparator.core.events import Event, Failed, Finished, TextDelta
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.inferencers.base import BaseInferencer
from multi_llm_comparator.services.inference_engine import InferenceEngine
from tests.support.scripted_models import Catalogue

PATIENCE_S = 20.0


class Talker(BaseInferencer):
    """The least that an inferencer can be; its kinds below go wrong in one place each."""

    def load_model(self, model_path: str, config: dict[str, Any]) -> None:
        self.is_loaded = True

    def generate_stream(self, prompt: str) -> Iterator[str]:
        yield from ("you said ", prompt)

    def unload_model(self) -> None:
        self.is_loaded = False

    def get_model_info(self) -> dict[str, Any]:
        return {}


class Clinging(Talker):
    def unload_model(self) -> None:
        raise RuntimeError("it will not go")


class FailingAndClinging(Clinging):
    def generate_stream(self, prompt: str) -> Iterator[str]:
        raise ValueError("no words")


class AtOnce(Talker):
    """Computes the whole answer before it returns an iterator."""

    def __init__(self, begun: threading.Event, go_on: threading.Event) -> None:
        super().__init__()
        self._begun, self._go_on = begun, go_on

    def generate_stream(self, prompt: str) -> Iterator[str]:
        self._begun.set()
        assert self._go_on.wait(PATIENCE_S), "the loop stood still"
        return iter(["whole answer"])


class SlowToLoad(Talker):
    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.begun, self.go_on, self.unloaded = threading.Event(), threading.Event(), threading.Event()
        self.through = threading.Event()
        self._fails = fails

    def load_model(self, model_path: str, config: dict[str, Any]) -> None:
        self.begun.set()
        assert self.go_on.wait(PATIENCE_S)
        self.through.set()
        if self._fails:
            raise OSError("no such disk")
        self.is_loaded = True

    def unload_model(self) -> None:
        self.is_loaded = False
        self.unloaded.set()


def engine_with(home: Path, **inferencers: BaseInferencer) -> InferenceEngine:
    models = Catalogue(*(ModelInfo("", name, name, ModelType.CUSTOM, 0) for name in inferencers))
    engine = InferenceEngine(models=models, settings=Settings(home=home, spare_process=False))
    engine.register_inferencer_factory(lambda model: inferencers.get(model.name))
    return engine


async def ask(engine: InferenceEngine, target: str) -> list[Event]:
    request = GenerationRequest(messages=(Message("user", "hi"),))
    async with asyncio.timeout(PATIENCE_S):
        return [event async for event in engine.stream(target, request)]


async def test_an_unloading_that_fails_after_a_whole_answer_is_for_the_log_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    events = await ask(engine_with(tmp_path, m=Clinging()), "m")
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["you said ", "hi"]
    assert isinstance(events[-1], Finished)
    assert "it will not go" in caplog.text


async def test_the_reason_of_a_failed_answer_is_not_hidden_by_an_unloading_that_fails_too(tmp_path: Path) -> None:
    *_, last = await ask(engine_with(tmp_path, m=FailingAndClinging()), "m")
    assert isinstance(last, Failed)
    assert (last.error_type, "no words" in last.message) == ("InferenceError", True)


async def test_a_factory_that_fails_is_a_failed_answer(tmp_path: Path) -> None:
    def failing(model: ModelInfo) -> BaseInferencer | None:
        raise RuntimeError("nothing is made here")

    models = Catalogue(ModelInfo("", "m", "m", ModelType.CUSTOM, 0))
    engine = InferenceEngine(models=models, settings=Settings(home=tmp_path, spare_process=False))
    engine.register_inferencer_factory(failing)
    (last,) = await ask(engine, "m")
    assert isinstance(last, Failed)
    assert (last.error_type, "nothing is made here" in last.message) == ("ModelLoadError", True)


def test_an_inferencer_that_goes_wrong_leaves_the_others_of_a_run_alone(tmp_path: Path) -> None:
    kinds = {"good": Talker(), "bad": Clinging()}

    def make(model: ModelInfo) -> BaseInferencer | None:
        if model.name == "unmade":
            raise RuntimeError("nothing is made here")
        return kinds[model.name]

    engine = engine_with(tmp_path)
    engine.register_inferencer_factory(make)
    models = [ModelInfo("", name, name, ModelType.CUSTOM, 0) for name in ("unmade", "bad", "good")]
    *_, results = engine.run_inference("hi", models, {})
    unmade, bad, good = (results[model.id] for model in models)
    assert "nothing is made here" in (unmade.error or "")
    assert [(r.content, r.is_complete, r.error) for r in (bad, good)] == [("you said hi", True, None)] * 2


async def test_an_answer_that_is_computed_at_once_does_not_hold_up_the_loop(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()
    asking = asyncio.create_task(ask(engine_with(tmp_path, m=AtOnce(begun, go_on)), "m"))
    assert await asyncio.to_thread(begun.wait, PATIENCE_S)
    go_on.set()
    events = await asking
    assert [e.text for e in events if isinstance(e, TextDelta)] == ["whole answer"]


async def left_while_loading(tmp_path: Path, inferencer: SlowToLoad) -> None:
    asking = asyncio.create_task(ask(engine_with(tmp_path, m=inferencer), "m"))
    assert await asyncio.to_thread(inferencer.begun.wait, PATIENCE_S)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not inferencer.unloaded.is_set(), "leaving does not wait for the thread"
    inferencer.go_on.set()


async def test_a_model_that_is_left_while_it_loads_is_unloaded_once_it_is_through(tmp_path: Path) -> None:
    inferencer = SlowToLoad()
    await left_while_loading(tmp_path, inferencer)
    assert await asyncio.to_thread(inferencer.unloaded.wait, PATIENCE_S)
    assert not inferencer.is_loaded


async def test_a_load_that_fails_after_it_was_left_leaves_nothing_to_unload(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inferencer = SlowToLoad(fails=True)
    await left_while_loading(tmp_path, inferencer)
    assert await asyncio.to_thread(inferencer.through.wait, PATIENCE_S)
    await asyncio.sleep(0.1)
    assert not inferencer.unloaded.is_set()
    assert "never retrieved" not in caplog.text
