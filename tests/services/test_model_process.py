from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

import psutil
import pytest

from multi_llm_comparator.core.events import Finished
from multi_llm_comparator.core.exceptions import ModelLoadError, ModelProcessDied, UnsupportedModelError
from multi_llm_comparator.core.requests import GenerationRequest, Message
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.child_process import start_model_process
from multi_llm_comparator.services.model_process import ModelProcess
from multi_llm_comparator.services.worker import LOADING_NICENESS, WRITING_NICENESS
from tests.support.scripted_models import scripted_model

ROOT = Path(__file__).parents[2]

APP = """
import asyncio, sys
from multi_llm_comparator.inferencers.base import LoadOptions
from multi_llm_comparator.services.child_process import start_model_process
from multi_llm_comparator.services.model_process import ModelProcess

async def main():
    process = await ModelProcess.start()
    await process.load("m", "scripted", sys.argv[1], LoadOptions(), timeout_s=30)
    print(process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


pytestmark = pytest.mark.cold


@pytest.fixture
async def process() -> AsyncIterator[ModelProcess]:
    process = await ModelProcess.start()
    yield process
    await process.close()


async def test_an_engine_that_does_not_exist_is_named(process: ModelProcess, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match="nonsense"):
        await process.load("m", "nonsense", str(tmp_path), LoadOptions(), timeout_s=30)


async def test_the_model_tells_what_it_is_when_loaded(process: ModelProcess, tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "m")
    loaded = await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=30)
    assert loaded["info"]["model_type"] == "scripted"
    assert loaded["seconds"] >= 0


async def test_the_app_goes_before_a_model_that_loads_and_that_one_before_models_that_write(
    process: ModelProcess, tmp_path: Path
) -> None:
    app, worker = psutil.Process(), psutil.Process(process.pid)
    loading = worker.nice()
    assert loading > app.nice()
    await process.load("m", "scripted", scripted_model(tmp_path, "m").path, LoadOptions(), timeout_s=30)
    assert worker.nice() > loading
    threads = {os.getpriority(os.PRIO_PROCESS, thread.id) for thread in worker.threads()}
    assert threads == {worker.nice()}


async def test_what_nobody_waits_for_yet_goes_last_and_a_model_that_is_then_wanted_does_not(
    process: ModelProcess, tmp_path: Path
) -> None:
    worker = psutil.Process(process.pid)
    before = worker.nice(), os.sched_getscheduler(process.pid)
    await process.preload("scripted")
    assert (worker.nice(), os.sched_getscheduler(process.pid)) == before
    await process.load("m", "scripted", scripted_model(tmp_path, "m").path, LoadOptions(), timeout_s=30)
    assert worker.nice() - before[0] == WRITING_NICENESS - LOADING_NICENESS


async def test_waiting_for_the_imports_of_a_process_that_ends_is_an_error(process: ModelProcess) -> None:
    psutil.Process(process.pid).suspend()
    preloading = asyncio.ensure_future(process.preload("scripted"))
    await asyncio.sleep(0)
    process.kill()
    with pytest.raises(ModelProcessDied):
        await preloading


async def test_a_process_that_ends_while_loading_is_an_error(process: ModelProcess, tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "m", faults=[{"kind": "exit", "at": "load"}])
    with pytest.raises(Exception, match="code 3"):
        await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=30)
    assert not process.crashed


async def test_a_reader_that_pauses_over_a_whole_answer_is_no_reason_to_take_the_process_for_hung(
    process: ModelProcess, tmp_path: Path
) -> None:
    model = scripted_model(tmp_path, "m", otherwise="all done now")
    await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=30)
    process.watch(1.0)
    events = process.generate(GenerationRequest(messages=(Message("user", "hello"),)))
    first = await anext(events)
    await asyncio.sleep(2)
    rest = [event async for event in events]
    assert process.is_alive
    assert isinstance(rest[-1], Finished)
    assert "".join(getattr(event, "text", "") for event in (first, *rest)) == "all done now"


async def test_a_stranger_on_the_port_is_turned_away(tmp_path: Path) -> None:
    """Whoever connects without the token is not taken for the model process."""

    async def start_with_a_stranger(port: Any, token: Any) -> Any:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b'{"op":"hello","token":"guess","pid":1}\n')
        await writer.drain()
        return await start_model_process(port, token)

    process = await ModelProcess.start(start_with_a_stranger)
    try:
        model = scripted_model(tmp_path, "m")
        assert await process.load("m", "scripted", model.path, LoadOptions(), timeout_s=30)
    finally:
        await process.close()


async def test_a_process_that_cannot_start_is_an_error_and_not_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(ModelLoadError, match="did not start"):
        await ModelProcess.start()


async def test_a_system_that_refuses_another_process_is_an_error_of_loading() -> None:
    async def refuse(port: int, token: str) -> NoReturn:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    with pytest.raises(ModelLoadError, match=os.strerror(errno.EAGAIN)):
        await ModelProcess.start(refuse)


def test_no_process_outlives_a_killed_app(tmp_path: Path) -> None:
    model = scripted_model(tmp_path, "m")
    app = subprocess.Popen([sys.executable, "-c", APP, model.path], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert app.stdout is not None
    worker = psutil.Process(int(app.stdout.readline()))
    app.kill()
    app.wait()
    _, alive = psutil.wait_procs([worker], timeout=10)
    assert not alive or all(p.status() == psutil.STATUS_ZOMBIE for p in alive)
    app.stdout.close()
