"""How much of this machine is in use now: processors, memory, GPUs."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from multi_llm_comparator.services.devices import GpuLoad, free_ram_bytes, gpu_loads, ram_bytes

# Readings are shared by all who ask within this time.
KEPT_S = 1.5
# Use is told since the last reading; where that is older, it is measured for a moment.
STALE_S = 10.0
MOMENT_S = 0.2


@dataclass(frozen=True, slots=True)
class MachineUse:
    """``cpu_share`` is the part of ``cpus`` that was busy, by whomever, of 1; None where the system does not say."""

    cpus: int
    cpu_share: float | None
    ram_used_bytes: int
    ram_bytes: int
    gpus: tuple[GpuLoad, ...]


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Seconds since the machine's start, over some processors: all of them, and those in which they did something."""

    whole_s: float
    busy_s: float


def busy_share(before: CpuTimes, after: CpuTimes) -> float | None:
    """How busy processors were between two readings, of 1; None where no time has passed."""
    passed_s = after.whole_s - before.whole_s
    return None if passed_s <= 0 else min(1.0, max(0.0, (after.busy_s - before.busy_s) / passed_s))


def times_of(times: Sequence[Any], cpus: Collection[int]) -> CpuTimes:
    """Of psutil's times for each processor those of ``cpus``. Waiting for a disk is not work of a processor's, and time
    of guests is in that of users already."""
    whole = idle = 0.0
    for number, one in enumerate(times):
        if number in cpus:
            told = one._asdict()
            whole += sum(s for name, s in told.items() if not name.startswith("guest"))
            idle += told["idle"] + told.get("iowait", 0.0)
    return CpuTimes(whole, whole - idle)


class _Meter:
    """Reads the machine, at most once in ``KEPT_S``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at = 0.0
        self._times: CpuTimes | None = None
        self._use: MachineUse | None = None

    def read(self) -> MachineUse:
        with self._lock:
            age_s = time.monotonic() - self._read_at
            if self._use is not None and age_s < KEPT_S:
                return self._use
            if self._times is None or age_s > STALE_S:
                self._times = _cpu_times()
                time.sleep(MOMENT_S)
            times = _cpu_times()
            total = ram_bytes()
            self._use = MachineUse(
                cpus=len(_own_cpus()),
                cpu_share=busy_share(self._times, times),
                ram_used_bytes=max(0, total - free_ram_bytes()),
                ram_bytes=total,
                gpus=gpu_loads(),
            )
            self._times, self._read_at = times, time.monotonic()
            return self._use


def _own_cpus() -> set[int]:
    """The processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _cpu_times() -> CpuTimes:
    return times_of(psutil.cpu_times(percpu=True), _own_cpus())


_meter = _Meter()


def machine_use() -> MachineUse:
    """The use of this machine by all that runs on it. May take some tenths of a second: to be called in a thread."""
    return _meter.read()
