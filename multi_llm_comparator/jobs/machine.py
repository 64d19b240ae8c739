"""What this machine has for jobs: its memory, cores and GPUs, less what models and running jobs hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psutil

from multi_llm_comparator.core.cpus import available_cpus
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.process import Share, find_process
from multi_llm_comparator.jobs.queue import Room, cpus_of
from multi_llm_comparator.jobs.snapshot import IdleModel
from multi_llm_comparator.jobs.spec import Needs
from multi_llm_comparator.services.devices import CPU, free_ram_bytes, gpu_loads, gpus, same_memory
from multi_llm_comparator.services.inference_engine import InferenceEngine
from multi_llm_comparator.services.loaded_model import LoadedModel
from multi_llm_comparator.services.memory_watch import own_bytes


@dataclass(frozen=True, slots=True)
class Held:
    """A running job: what it said that it needs, what it was given, and its process."""

    needs: Needs
    share: Share | None
    pid: int | None


def held_bytes(running: Sequence[Held]) -> tuple[int, int]:
    """RAM that running jobs hold, or were promised if that is more, and what of that they have yet to take."""
    pairs = [(job.needs.memory_bytes, own_bytes(job.pid) if job.pid is not None else 0) for job in running]
    held = sum(max(promised, taken) for promised, taken in pairs)
    return held, sum(max(0, promised - taken) for promised, taken in pairs)


def held_by_others(folder: Path, known: Collection[str]) -> tuple[Held, ...]:
    """Jobs below ``folder`` that are at work on this machine and not ``known``: another program of the same home, a
    command or the app, has started them. What cannot be read of one is passed over."""
    try:
        places = [JobFolder(place) for place in folder.iterdir() if place.name not in known]
    except OSError:
        return ()
    held = []
    for place in places:
        process = find_process(place)
        try:
            spec = place.spec() if process is not None else None
        except MultiLLMError:
            continue
        if process is not None and spec is not None and spec.backend == "local":
            held.append(Held(spec.needs, _share_of(process.pid) if spec.needs.gpus else None, process.pid))
    return tuple(held)


def _share_of(pid: int) -> Share | None:
    """The GPUs that a process was shown."""
    try:
        shown = psutil.Process(pid).environ().get("CUDA_VISIBLE_DEVICES", "")
    except psutil.Error:
        return None
    return Share(1, tuple(int(number) for number in shown.split(",") if number.isdecimal()))


class Machine(Protocol):
    """Where jobs run."""

    def room(self, running: Sequence[Held]) -> Room:
        """What it has, beside these jobs. Called in a thread."""


class ThisMachine:
    """This machine, as an engine shares it with jobs.

    Memory that models or jobs were promised and have not taken yet counts as taken.
    """

    def __init__(self, engine: InferenceEngine) -> None:
        self._engine = engine

    def room(self, running: Sequence[Held]) -> Room:
        loaded = self._engine.loaded_models()
        models = [model for model in loaded if same_memory(model.device, CPU)]
        limit = self._engine.memory_manager.limit_bytes(CPU)
        jobs_bytes, jobs_coming = held_bytes(running)
        under_limit = limit - sum(map(_taken, models)) - jobs_bytes
        coming = sum(map(_coming, models)) + jobs_coming
        total_cpus, numbers = available_cpus(), _gpu_numbers()
        used = Room(limit, 0, total_cpus, 0)
        busy = {number for job in running if job.share is not None for number in job.share.gpus}
        gpu_free = {
            number: max(0, free - sum(_coming(m) for m in loaded if same_memory(m.device, f"cuda:{number}")))
            for number, free in _gpu_free_bytes().items()
        }
        return Room(
            total_bytes=limit,
            free_bytes=max(0, min(under_limit, free_ram_bytes() - coming)),
            total_cpus=total_cpus,
            free_cpus=max(0, total_cpus - sum(cpus_of(job.needs, used) for job in running)),
            total_gpus=len(numbers),
            free_gpus=tuple(number for number in numbers if number not in busy),
            jobs_bytes=jobs_bytes,
            models=len(models),
            idle=_idle(models),
            gpu_free_bytes=gpu_free,
            gpu_bytes=max((gpu.total_bytes for gpu in gpus()), default=0) if numbers else 0,
            gpu_idle=_idle([model for model in loaded if model not in models]),
        )


def _idle(models: Sequence[LoadedModel]) -> tuple[IdleModel, ...]:
    return tuple(IdleModel(m.model_id, m.name, _taken(m)) for m in models if m.idle_since is not None)


def _taken(model: LoadedModel) -> int:
    """What a model holds, or is promised as long as it loads."""
    return model.estimated_bytes if model.state == "loading" else model.memory_bytes or model.estimated_bytes


def _coming(model: LoadedModel) -> int:
    return max(0, model.estimated_bytes - (model.memory_bytes or 0)) if model.state == "loading" else 0


def _gpu_numbers() -> list[int]:
    return sorted(_number(gpu.name) for gpu in gpus() if gpu.name.startswith("cuda:"))


def _gpu_free_bytes() -> dict[int, int]:
    return {_number(load.name): load.total_bytes - load.used_bytes for load in gpu_loads()}


def _number(name: str) -> int:
    return int(name.partition(":")[2])
