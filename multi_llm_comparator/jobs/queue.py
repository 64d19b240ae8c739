"""Who may begin: pure decisions about waiting jobs and what the machine has left.

Jobs begin in their order. One that does not fit yet may be passed by others that do, so that a small one need not wait
for memory that a large one waits for; but only so often: then nobody passes it until it has begun. That holds where the
end of other jobs would make room for it: one that waits for models to be unloaded holds up nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from multi_llm_comparator.core.readable import gb
from multi_llm_comparator.jobs.process import Share
from multi_llm_comparator.jobs.snapshot import IdleModel, WaitsFor
from multi_llm_comparator.jobs.spec import Needs

# How many jobs may begin before one that was there first.
MAX_PASSED = 4
# More than any job may ask for: of a GPU of which nothing is told.
MAX_GPU_BYTES = 2**50


@dataclass(frozen=True, slots=True)
class Room:
    """What a machine has, and what of it is left for jobs to begin now, beside models and running jobs.

    Running jobs hold ``jobs_bytes``. ``models`` counts those that are loaded, ``idle`` are those of them that may be
    unloaded. GPUs go by number: ``free_gpus`` are given to no job, and ``gpu_free_bytes`` tells what models and other
    programs leave of each (all, where it is not named), ``gpu_bytes`` how much the largest has (0: not known).
    """

    total_bytes: int
    free_bytes: int
    total_cpus: int
    free_cpus: int
    total_gpus: int = 0
    free_gpus: tuple[int, ...] = ()
    jobs_bytes: int = 0
    models: int = 0
    idle: tuple[IdleModel, ...] = ()
    gpu_free_bytes: Mapping[int, int] = field(default_factory=dict)
    gpu_bytes: int = 0
    gpu_idle: tuple[IdleModel, ...] = ()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job in the queue. ``passed`` counts those behind it that have begun since it came first."""

    run_id: str
    needs: Needs
    passed: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """Who begins now, with its share of the machine; what the others wait for, and how often each was passed so far."""

    starts: Mapping[str, Share] = field(default_factory=dict)
    waits: Mapping[str, WaitsFor] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)


def cpus_of(needs: Needs, room: Room) -> int:
    """CPUs that a job takes: all where it names none, never more than there are."""
    return min(needs.cpus or room.total_cpus, room.total_cpus)


def admit(queue: Sequence[Waiting], room: Room) -> Admission:
    """Decide about a queue, first come first."""
    starts: dict[str, Share] = {}
    waits: dict[str, WaitsFor] = {}
    # Those that wait for other jobs to end, with how often others began before them.
    passed: dict[str, int] = {}
    for job in queue:
        is_barred = any(count >= MAX_PASSED for count in passed.values())
        reason = _reason(job, room, ahead=len(waits), is_barred=is_barred)
        if reason is None:
            starts[job.run_id], room = _take(job, room)
            passed = {run_id: count + 1 for run_id, count in passed.items()}
            continue
        waits[job.run_id] = reason
        if reason.what not in ("never", "gpu_memory") and job.needs.memory_bytes <= room.free_bytes + room.jobs_bytes:
            passed[job.run_id] = job.passed
    return Admission(starts, waits, passed)


def too_much(needs: Needs, room: Room) -> WaitsFor | None:
    """What no waiting gives a job on this machine."""
    if needs.memory_bytes > room.total_bytes:
        text = f"needs {gb(needs.memory_bytes)}; jobs and models may take {gb(room.total_bytes)} on this machine"
        return WaitsFor(what="never", text=text, missing_bytes=needs.memory_bytes - room.total_bytes)
    if needs.gpus > room.total_gpus:
        return WaitsFor(what="never", text=f"needs {needs.gpus} GPU(s); this machine has {room.total_gpus}")
    if needs.gpus and 0 < room.gpu_bytes < needs.gpu_memory_bytes:
        text = f"needs {gb(needs.gpu_memory_bytes)} on a GPU; the largest of this machine has {gb(room.gpu_bytes)}"
        return WaitsFor(what="never", text=text, missing_bytes=needs.gpu_memory_bytes - room.gpu_bytes)
    return None


def _reason(job: Waiting, room: Room, *, ahead: int, is_barred: bool) -> WaitsFor | None:
    """Why a job cannot begin in what is left; None if it can."""
    needs = job.needs
    if (never := too_much(needs, room)) is not None:
        return never
    if is_barred:
        return WaitsFor(what="turn", text=f"waits for its turn: {ahead} before it", ahead=ahead)
    if (cpus := cpus_of(needs, room)) > room.free_cpus:
        used = room.total_cpus - room.free_cpus
        return WaitsFor(what="cpus", text=f"waits for {cpus} CPU(s): jobs use {used} of {room.total_cpus}", ahead=ahead)
    fitting = sum(_free_on(room, gpu) >= needs.gpu_memory_bytes for gpu in room.free_gpus)
    if needs.gpus > fitting and len(room.free_gpus) < room.total_gpus:
        text = f"waits for {needs.gpus} GPU(s): {fitting} of {room.total_gpus} are free"
        return WaitsFor(what="gpus", text=text, ahead=ahead)
    if needs.gpus > fitting:
        lacking = needs.gpu_memory_bytes - _free_on(room, _freest(room)[needs.gpus - 1])
        text = f"waits for {gb(lacking)} of GPU memory, which models or other programs hold"
        return WaitsFor(what="gpu_memory", text=text, missing_bytes=lacking, idle=room.gpu_idle, ahead=ahead)
    missing = needs.memory_bytes - room.free_bytes
    if missing > 0:
        text = f"waits for {gb(missing)}{_who_holds(room)}"
        return WaitsFor(
            what="memory", text=text, missing_bytes=missing, models=room.models, idle=room.idle, ahead=ahead
        )
    return None


def _freest(room: Room) -> tuple[int, ...]:
    """The GPUs that no job was given, those with the most free memory first."""
    return tuple(sorted(room.free_gpus, key=lambda gpu: -_free_on(room, gpu)))


def _free_on(room: Room, gpu: int) -> int:
    return room.gpu_free_bytes.get(gpu, MAX_GPU_BYTES)


def _who_holds(room: Room) -> str:
    models = f"{room.models} model{'s are' if room.models != 1 else ' is'} loaded" if room.models else ""
    idle = f" ({len(room.idle)} idle)" if room.idle else ""
    jobs = f"jobs hold {gb(room.jobs_bytes)}" if room.jobs_bytes else ""
    return f": {' and '.join(filter(None, (models + idle, jobs)))}" if models or jobs else ""


def _take(job: Waiting, room: Room) -> tuple[Share, Room]:
    cpus, gpus = cpus_of(job.needs, room), _freest(room)[: job.needs.gpus]
    left = replace(
        room,
        free_bytes=room.free_bytes - job.needs.memory_bytes,
        jobs_bytes=room.jobs_bytes + job.needs.memory_bytes,
        free_cpus=room.free_cpus - cpus,
        free_gpus=tuple(number for number in room.free_gpus if number not in gpus),
    )
    return Share(cpus, gpus), left
