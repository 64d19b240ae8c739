"""PyTorch models forked from the process that has imported torch: they answer, crash and end as others do."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.events import Event, Failed, Finished, Loaded
from multi_llm_comparator.core.models import ModelInfo, ModelType
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.core.settings import Settings
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services import spare
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.model_process import ModelProcess
from tests.services.asking import pid_of, until
from tests.support.scripted_models import Catalogue, scripted_model

pytestmark = [
    pytest.mark.cold,
    pytest.mark.skipif(not spare.can_fork(), reason="models are started on their own here"),
]
ROOT = Path(__file__).parents[2]

APP = """
import asyncio, sys
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.model_process import ModelProcess

async def main():
    template = await Template.start(at_leisure=False)
    await template.ready()
    process = await ModelProcess.start(template.spawn)
    await process.load("m", "scripted", sys.argv[1], LoadOptions(), timeout_s=30)
    print(template.pid, process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

# A thread in the template from its very start, as a library might have one.
ONE_THREAD_MORE = """
import sys, threading
if any("template_process" in word for word in sys.orig_argv):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
"""

# A model that notes down what it draws when it is made.
DRAWS = """
import os, random, numpy, torch
from transformers import LlamaForCausalLM

class Drawing(LlamaForCausalLM):
    def __init__(self, config):
        super().__init__(config)
        with open(os.environ["DRAWS"], "a") as file:
            print(random.random(), numpy.random.random(), torch.rand(1, device="cpu").item(), file=file)
"""


def ask(**config: Any) -> GenerationRequest:
    config = {"max_tokens": 8, "temperature": 0, **config}
    return GenerationRequest(messages=(Message("user", "hello there"),), config=ModelConfig(**config))


async def last_event(stream: Any) -> Any:
    return [event async for event in stream][-1]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.support.tiny_checkpoint import make_checkpoint

    return make_checkpoint(tmp_path_factory.mktemp("tiny") / "tiny")


def model_at(folder: Path, name: str) -> ModelInfo:
    return ModelInfo(name, name, str(folder), ModelType.PYTORCH, 10**6, {})


@pytest.fixture
async def make_engine(tmp_path: Path) -> AsyncIterator[Callable[..., InferenceEngine]]:
    engines: list[InferenceEngine] = []

    def make(*models: ModelInfo) -> InferenceEngine:
        engines.append(InferenceEngine(models=Catalogue(*models), settings=Settings(home=tmp_path)))
        return engines[-1]

    yield make
    for engine in engines:
        await engine.aclose()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where models note down what they draw. Forks have the environment that their template began with."""
    folder = tmp_path_factory.mktemp("drawn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DRAWS", str(folder / "draws"))
        patch.setenv("HF_MODULES_CACHE", str(folder / "modules"))
        yield folder


@pytest.fixture(scope="module")
def drawing(checkpoint: Path, drawn: Path) -> Path:
    """The checkpoint with code of its own, which draws random numbers when the model is made."""
    folder = Path(shutil.copytree(checkpoint, drawn / "drawing"))
    (folder / "modeling_drawing.py").write_text(DRAWS, encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_drawing.Drawing"}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def forking(checkpoint: Path, drawing: Path) -> AsyncIterator[InferenceEngine]:
    """An engine whose template has done its imports for all tests that need no other."""
    models = [model_at(checkpoint, "one"), model_at(checkpoint, "two")]
    models += [model_at(drawing, "draws"), model_at(drawing, "draws too")]
    # What a crash teaches is remembered for the file: it is not that of the others.
    models.append(model_at(Path(shutil.copytree(checkpoint, drawing.parent / "crashes")), "crashes"))
    engine = InferenceEngine(models=Catalogue(*models), settings=Settings(home=drawing.parent))
    yield engine
    await engine.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def engine(forking: InferenceEngine) -> AsyncIterator[InferenceEngine]:
    """The same, with nothing loaded."""
    yield forking
    for model in forking.loaded_models():
        await forking.unload(model.model_id)


@pytest_asyncio.fixture(loop_scope="module")
async def forked(forking: InferenceEngine) -> AsyncIterator[ModelProcess]:
    """A process that holds no model yet."""
    template = await forking._table().loader.spare._ready_template()
    process = await ModelProcess.start(template.spawn)
    yield process
    await process.close()


def parent_of(pid: int | None) -> psutil.Process:
    parent = psutil.Process(pid).parent()
    assert parent is not None
    return parent


@pytest.mark.asyncio(loop_scope="module")
async def test_two_models_of_one_template_answer_and_each_has_its_part_of_what_they_share(
    engine: InferenceEngine,
) -> None:
    assert isinstance(await last_event(engine.stream("one", ask())), Finished)
    (alone,) = engine.loaded_models()
    assert isinstance(await last_event(engine.stream("two", ask())), Finished)
    one, two = engine.loaded_models()
    assert parent_of(one.pid) == parent_of(two.pid) != psutil.Process()
    shares = [model.memory_bytes or 0 for model in (one, two)]
    whole = [psutil.Process(model.pid).memory_info().rss for model in (one, two)]
    assert all(0 < share < rss for share, rss in zip(shares, whole, strict=True))
    assert shares[0] < (alone.memory_bytes or 0) < sum(shares)


@pytest.mark.asyncio(loop_scope="module")
async def test_unloading_a_forked_model_ends_its_process(engine: InferenceEngine) -> None:
    await engine.load("one")
    pid = pid_of(engine)
    await engine.unload("one")
    assert not psutil.pid_exists(pid)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_crash_before_the_first_token_is_retried_with_safe_settings_in_a_process_of_its_own(
    engine: InferenceEngine,
) -> None:
    await engine.load("crashes")
    pid = pid_of(engine)
    # It must not answer before it is hit.
    psutil.Process(pid).suspend()
    events: list[Event] = []
    async for event in engine.stream("crashes", ask()):
        if isinstance(event, Loaded) and not events:
            os.kill(pid, signal.SIGSEGV)
            os.kill(pid, signal.SIGCONT)
        events.append(event)
    assert isinstance(events[-1], Finished)
    (model,) = engine.loaded_models()
    assert model.options.safe
    assert parent_of(model.pid) == psutil.Process()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("kind", "crashed"), [("crash", True), ("exit", False)])
async def test_how_a_fork_ended_is_known(forked: ModelProcess, tmp_path: Path, kind: str, crashed: bool) -> None:
    model = scripted_model(tmp_path, "m", faults=[{"kind": kind, "at": "load"}])
    with pytest.raises(Exception, match="SIGABRT" if crashed else "code 3"):
        await forked.load("m", "scripted", model.path, LoadOptions(), timeout_s=30)
    assert forked.crashed is crashed


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_fork_printed_last_is_in_its_error(forked: ModelProcess, tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "m", otherwise="words")
    await forked.load("m", "scripted", model.path, LoadOptions(), timeout_s=30)
    forked._send({"op": "load"})
    await forked._child.wait()
    with pytest.raises(Exception, match="KeyError"):
        await forked.load("m", "scripted", model.path, LoadOptions(), timeout_s=30)


@pytest.mark.asyncio(loop_scope="module")
async def test_a_fork_goes_before_models_that_write_until_it_has_loaded(forked: ModelProcess, tmp_path: Path) -> None:
    worker = psutil.Process(forked.pid)
    loading = worker.nice()
    await forked.load("m", "scripted", scripted_model(tmp_path, "m").path, LoadOptions(), timeout_s=30)
    assert psutil.Process().nice() < loading < worker.nice()
    assert os.sched_getscheduler(forked.pid) == os.SCHED_OTHER


def test_no_process_outlives_a_killed_app(tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "m")
    app = subprocess.Popen([sys.executable, "-c", APP, model.path], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert app.stdout is not None
    processes = [psutil.Process(int(pid)) for pid in app.stdout.readline().split()]
    app.kill()
    app.wait()
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive or all(p.status() == psutil.STATUS_ZOMBIE for p in alive)
    app.stdout.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_no_two_forks_draw_the_same_random_numbers(engine: InferenceEngine, drawn: Path) -> None:
    for name in ("draws", "draws too"):
        await engine.load(name, ModelConfig(trust_remote_code=True))
    one, two = (line.split() for line in (drawn / "draws").read_text(encoding="utf-8").splitlines())
    assert all(a != b for a, b in zip(one, two, strict=True))


@pytest.mark.asyncio(loop_scope="module")
async def test_models_end_with_a_killed_template_and_the_next_load_has_a_new_one(engine: InferenceEngine) -> None:
    await engine.load("one")
    before = pid_of(engine)
    psutil.Process(before).suspend()
    answer = asyncio.create_task(last_event(engine.stream("one", ask())))
    await until(lambda: engine.loaded_models()[0].active)
    killed = parent_of(before)
    killed.kill()
    failed = await answer
    assert isinstance(failed, Failed)
    assert "SIGKILL" in failed.message
    assert isinstance(await last_event(engine.stream("one", ask())), Finished)
    after = pid_of(engine)
    assert parent_of(after) not in (killed, psutil.Process())


async def test_where_the_template_has_a_second_thread_a_model_is_started_on_its_own_and_the_log_says_why(
    make_engine: Callable[..., InferenceEngine],
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "sitecustomize.py").write_text(ONE_THREAD_MORE, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    engine = make_engine(model_at(checkpoint, "one"))
    with caplog.at_level(logging.WARNING):
        assert isinstance(await last_event(engine.stream("one", ask())), Finished)
    assert "2 threads" in caplog.text
    assert parent_of(pid_of(engine)) == psutil.Process()


async def test_imports_wait_while_a_model_answers_and_go_on_afterwards(
    make_engine: Callable[..., InferenceEngine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare, "IDLE_FOR_S", 0.0)
    slow = scripted_model(tmp_path, "slow", otherwise="one two three " * 400, tokens_per_second=100)
    engine = make_engine(slow)
    await engine.load("slow")
    await until(lambda: templates())
    (template,) = templates()
    answering = asyncio.create_task(last_event(engine.stream("slow", ask(max_tokens=2000))))
    await until(lambda: template.status() == psutil.STATUS_STOPPED)
    answering.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await answering
    await until(lambda: template.status() != psutil.STATUS_STOPPED)
    assert template.is_running()


async def test_a_model_does_not_wait_for_a_template_that_imports_at_leisure(
    make_engine: Callable[..., InferenceEngine], checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spare, "IDLE_FOR_S", 0.0)
    engine = make_engine(model_at(checkpoint, "one"))
    await engine.start()
    await until(lambda: templates())
    (leisurely,) = templates()
    await engine.load("one")
    assert parent_of(pid_of(engine)) not in (leisurely, psutil.Process())
    assert not leisurely.is_running()


def templates() -> list[psutil.Process]:
    """Those of this test: the module's own is left out."""
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "--at-leisure" in child.cmdline():
                found.append(child)
    return found
