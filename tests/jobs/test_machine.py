"""What jobs may take, beside models that are really loaded."""

from __future__ import annotations

from pathlib import Path

import psutil

from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.jobs.machine import Held, ThisMachine
from multi_llm_comparator.jobs.process import Share
from multi_llm_comparator.jobs.spec import Needs
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
