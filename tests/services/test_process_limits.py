"""What a model process is ended for: memory, time, and not stopping when told. Real workers, real templates."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished, Loaded, Started, TextDelta
from multi_llm_comparator.core.exceptions import ModelProcessHung, ModelProcessOverLimit
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.inferencers.time_limits import TEMPLATE
from multi_llm_comparator.services import model_process, residency
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.memory_estimate import MemoryEstimate, memory_bound_bytes
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.model_process import ModelProcess
from tests.services.asking import pid_of, until
from tests.support.scripted_models import Catalogue, scripted_model
from tests.support.tiny_checkpoint import make_checkpoint, make_tokenizer
from tests.support.tiny_gguf import write_random
from tests.support.warm_server import TEMPLATE_LIMIT

SHOWS = "{{ messages[0].content }}"
# Two equal lists of lists, each of which holds the same twice: comparing them takes for ever, inside Python itself.
STUCK = (
    "{% set n = namespace(a=['x'], b=['x']) %}{% if messages[0].content == 'go' %}"
    "{% for i in range(60) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}{% endfor %}"
    "{% if n.a == n.b %}x{% endif %}{% endif %}" + SHOWS
)

FILLS = (
    "{% set n = namespace(l=[]) %}{% for i in range(99999) %}{% set n.l = n.l + ['b' * 16000000] %}{% endfor %}" + SHOWS
)
ENDLESS = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}" + SHOWS


def ask(text: str = "hello") -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", text),), config=ModelConfig(max_tokens=400))


@pytest.fixture
async def process() -> AsyncIterator[ModelProcess]:
    process = await ModelProcess.start()
    yield process
    await process.close()


async def answer(process: ModelProcess, request: GenerationRequest) -> list[Event]:
    return [event async for event in process.generate(request)]


async def test_a_process_that_takes_too_much_while_it_loads_is_ended_and_the_numbers_are_said(
    process: ModelProcess, tmp_path: Path
) -> None:
    hang = {"kind": "hang", "at": "load"}
    model = scripted_model(tmp_path, "greedy", memory_bytes=300_000_000, faults=[hang])
    said = r"'greedy' used \d+ MB of at most \d+ MB while it was being loaded"  # the watch may see it half-way
    with pytest.raises(ModelProcessOverLimit, match=said):
        await process.load("greedy", "scripted", model.path, LoadOptions(), timeout_s=60, max_bytes=200_000_000)
    assert not process.is_alive


async def test_a_process_that_takes_too_much_while_it_answers_is_ended(process: ModelProcess, tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "m", otherwise="word " * 500, tokens_per_second=50)
    await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=60, max_bytes=10_000_000_000)
    process._max_bytes = 1_000_000  # as if it had grown by as much
    last = (await answer(process, ask()))[-1]
    assert isinstance(last, Failed)
    assert last.error_type == "ModelProcessOverLimit"
    assert "while it answered" in last.message


async def test_an_ordinary_model_is_left_alone(process: ModelProcess, tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "m", otherwise="word " * 100, tokens_per_second=100)
    await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=60, max_bytes=1_000_000_000)
    assert isinstance((await answer(process, ask()))[-1], Finished)


def test_the_bound_is_the_memory_limit_for_small_models_and_never_below_what_was_let_in() -> None:
    small = MemoryEstimate(300 * 10**6, 50 * 10**6, 400 * 10**6, "cpu")
    assert memory_bound_bytes(small, LoadOptions(), 3 * 10**9) == 3 * 10**9
    assert memory_bound_bytes(small, LoadOptions(), 100 * 10**9) == 4_500 * 10**6
    large = MemoryEstimate(9 * 10**9, 10**9, 10**9, "cpu")
    assert memory_bound_bytes(large, LoadOptions(), 11 * 10**9) == 14_250 * 10**6


async def test_a_stop_that_is_not_heard_ends_the_process_and_its_other_answers_say_why(
    process: ModelProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_process, "STOP_WITHIN_S", 0.5)
    faults = [{"kind": "hang", "pattern": "hang", "after_tokens": 2}]
    model = scripted_model(tmp_path, "m", otherwise="word " * 500, faults=faults, tokens_per_second=20)
    await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=60)
    other = asyncio.create_task(answer(process, ask("go on")))
    stopped = process.generate(ask("hang"))
    async with contextlib.aclosing(stopped):
        seen = 0
        while seen < 2:
            seen += isinstance(await anext(stopped), TextDelta)
        await asyncio.sleep(0.5)  # by now it hangs over the third
    last = (await asyncio.wait_for(other, 60))[-1]
    assert isinstance(last, Failed)
    assert last.error_type == ModelProcessHung.__name__
    assert "did not stop within" in last.message
    assert not process.is_alive


async def test_a_stop_that_is_heard_ends_nothing_else(
    process: ModelProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_process, "STOP_WITHIN_S", 5.0)
    monkeypatch.setattr(model_process, "WATCH_EVERY_S", 0.05)
    model = scripted_model(tmp_path, "m", otherwise="word " * 500, tokens_per_second=20)
    await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=60)
    for _ in range(3):
        stopped = process.generate(ask())
        await anext(stopped)
        await stopped.aclose()
    async with asyncio.timeout(60):
        while process._stopped_at:
            await asyncio.sleep(0.05)
    assert process.is_alive


def engine_of(model: ModelInfo, **memory: float) -> InferenceEngine:
    return InferenceEngine(MemoryManager(**memory), models=Catalogue(model))  # type: ignore[arg-type]


async def last_of(engine: InferenceEngine, request: GenerationRequest) -> Event:
    return [event async for event in engine.stream("m", request)][-1]


async def test_a_load_that_nobody_waits_for_any_more_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residency, "GIVEN_UP_AFTER_S", 0.5)
    engine = engine_of(scripted_model(tmp_path, "m", faults=[{"kind": "hang", "at": "load"}]))
    first, second = (asyncio.create_task(last_of(engine, ask())) for _ in range(2))
    await until(lambda: [m for m in engine.loaded_models() if m.pid is not None])
    worker = psutil.Process(engine.loaded_models()[0].pid)
    first.cancel()
    await asyncio.sleep(1)
    assert engine.loaded_models(), "another still waits"
    second.cancel()
    await until(lambda: not engine.loaded_models())
    await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    await engine.aclose()


async def test_who_asks_again_at_once_finds_the_model_still_loading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residency, "GIVEN_UP_AFTER_S", 1.0)
    engine = engine_of(scripted_model(tmp_path, "m", load_s=3, otherwise="here"))
    first = asyncio.create_task(last_of(engine, ask()))
    await until(lambda: [m for m in engine.loaded_models() if m.pid is not None])
    pid = pid_of(engine)
    first.cancel()
    await asyncio.wait({first})
    assert isinstance(await last_of(engine, ask()), Finished)
    assert engine.loaded_models()[0].pid == pid
    await engine.aclose()


@pytest.fixture
def little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A template that never ends takes all of its time. What is said of it names the time that others have."""
    monkeypatch.setenv(TEMPLATE_LIMIT, "2")


@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize("kind", ["pytorch", "gguf"])
async def test_a_template_that_is_stuck_inside_python_ends_its_process_and_says_so(tmp_path: Path, kind: str) -> None:
    """Nothing inside the process could stop it: no count, no clock, no signal handler."""
    if kind == "pytorch":
        path, model_type = make_checkpoint(tmp_path / "m", tokenizer=make_tokenizer(STUCK)), ModelType.PYTORCH
    else:
        path, model_type = write_random(tmp_path / "m.gguf", chat_template=STUCK), ModelType.GGUF
    engine = engine_of(ModelInfo("m", "m", str(path), model_type, 1000, {}))
    ended = asyncio.create_task(last_of(engine, ask("go")))
    last = await ended
    assert isinstance(last, Failed)
    assert last.error_type == ModelProcessOverLimit.__name__
    assert f"the chat template of 'm' took more than {TEMPLATE.seconds:g} s" in last.message
    assert isinstance(await last_of(engine, ask("hello")), Finished), "it is reloaded when asked again"
    await engine.aclose()


@pytest.mark.usefixtures("little_time")
@pytest.mark.parametrize("kind", ["pytorch", "gguf"])
@pytest.mark.parametrize("template", [FILLS, ENDLESS], ids=["fills the memory", "endless"])
async def test_a_template_without_bounds_is_not_used_and_the_model_answers_without_it(
    tmp_path: Path, kind: str, template: str
) -> None:
    if kind == "pytorch":
        path, model_type = make_checkpoint(tmp_path / "m", tokenizer=make_tokenizer(template)), ModelType.PYTORCH
    else:
        path, model_type = write_random(tmp_path / "m.gguf", chat_template=template), ModelType.GGUF
    engine = engine_of(ModelInfo("m", "m", str(path), model_type, 1000, {}))
    events = [event async for event in engine.stream("m", ask())]
    assert isinstance(events[-1], Finished)
    notes = [note for event in events if isinstance(event, Loaded | Started) for note in event.notes]
    assert [note for note in notes if "chat template cannot be used" in note]
    (loaded,) = engine.loaded_models()
    assert (loaded.memory_bytes or 0) < 1_500_000_000
    await engine.aclose()
