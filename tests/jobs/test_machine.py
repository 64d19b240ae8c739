"""What jobs may take, beside models that are really loaded."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.jobs.machine import Held, ThisMachine
from multi_llm_comparator.jobs.process import Share
from multi_llm_comparator.jobs.spec import Needs
from multi_llm_comparator.services import devices
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.memory_manager import MemoryManager
from multi_llm_comparator.services.model_manager import ModelManager
from tests.support.scripted_models import scripted_model

LIMIT_GB = 0.9


async def test_loaded_models_and_running_jobs_take_from_the_room_for_jobs(tmp_path: Path) -> None:
    models = ModelManager(tmp_path)
    models.available_models = [scripted_model(tmp_path, "ash", otherwise="hello")]
    engine = InferenceEngine(MemoryManager(max_memory_gb=LIMIT_GB), models=models)
    machine = ThisMachine(engine)
    try:
        empty = machine.room(())
        assert (empty.total_bytes, empty.models, empty.free_cpus) == (int(LIMIT_GB * 1e9), 0, available_cpus())
        await engine.load("ash")
        loaded = machine.room(())
        (idle,) = loaded.idle
        assert (loaded.models, idle.name) == (1, "ash")
        assert loaded.free_bytes == min(loaded.total_bytes - idle.memory_bytes, loaded.free_bytes) < empty.free_bytes
        # What a job was promised counts before it has taken it; what it has taken beyond that counts too.
        promised = machine.room([Held(Needs(memory_bytes=5 * 10**8, cpus=1), Share(1), None)])
        assert promised.jobs_bytes == 5 * 10**8 and promised.free_bytes <= loaded.total_bytes - 5 * 10**8
        assert promised.free_cpus == available_cpus() - 1
        taken = machine.room([Held(Needs(), Share(1), psutil.Process().pid)])
        assert taken.jobs_bytes > 0 and taken.free_cpus == 0
    finally:
        await engine.aclose()


async def test_of_each_gpu_it_tells_what_is_free_and_which_no_job_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"utilization": ["0, 8192, 24576, 0", "1, 24000, 49152, 0"], "index": ["0, 24576", "1, 49152"]}
    monkeypatch.setattr(
        devices, "_nvidia_smi", lambda query: next((lines for word, lines in told.items() if word in query), [])
    )
    devices.gpus.cache_clear()
    engine = InferenceEngine(models=ModelManager(tmp_path))
    try:
        room = ThisMachine(engine).room([Held(Needs(cpus=1, gpus=1), Share(1, (1,)), None)])
    finally:
        await engine.aclose()
        devices.gpus.cache_clear()
    assert (room.total_gpus, room.free_gpus, room.gpu_bytes) == (2, (0,), 49152 * 2**20)
    assert room.gpu_free_bytes == {0: 16384 * 2**20, 1: 25152 * 2**20}
