"""Which devices a model can go to and how much memory they have, found out without importing torch or llama.cpp."""

from __future__ import annotations

import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import psutil

from multi_llm_comparator.core.models import ModelType

CPU = "cpu"
_SMI_TIMEOUT_S = 5.0
# Asking the driver takes tens of milliseconds: often enough for a person, not for each look at a page.
_PROCESS_MEMORY_KEPT_S = 2.0


@dataclass(frozen=True, slots=True)
class Device:
    """A place for models: ``cpu``, ``cuda:N`` or ``mps``."""

    name: str
    total_bytes: int


@dataclass(frozen=True, slots=True)
class GpuLoad:
    """What a GPU does for all who use it. ``share`` of the last moment in which it computed, of 1; None if unknown."""

    name: str
    used_bytes: int
    total_bytes: int
    share: float | None


@lru_cache(maxsize=1)
def gpus() -> tuple[Device, ...]:
    """The machine's GPUs, largest first; looked up once. An Apple GPU shares the machine's memory."""
    found = []
    for line in _nvidia_smi("--query-gpu=index,memory.total"):
        index, _, total_mib = line.partition(",")
        if index.strip().isdigit() and total_mib.strip().isdigit():
            found.append(Device(f"cuda:{int(index)}", int(total_mib) * 2**20))
    if not found and platform.system() == "Darwin" and platform.machine() == "arm64":
        found.append(Device("mps", ram_bytes()))
    return tuple(sorted(found, key=lambda device: -device.total_bytes))


def gpu_loads() -> tuple[GpuLoad, ...]:
    """The NVIDIA GPUs as they are now, by number; asking the driver takes tens of milliseconds."""
    if not any(gpu.name.startswith("cuda") for gpu in gpus()):
        return ()
    found = []
    for line in _nvidia_smi("--query-gpu=index,memory.used,memory.total,utilization.gpu"):
        index, used, total, share = [*(part.strip() for part in line.split(",")), "", "", ""][:4]
        # In a part of a GPU (MIG) the driver does not say how busy it is.
        if index.isdigit() and used.isdigit() and total.isdigit():
            busy = int(share) / 100 if share.isdigit() else None
            found.append(GpuLoad(f"cuda:{index}", int(used) * 2**20, int(total) * 2**20, busy))
    return tuple(found)


def device_for(model_type: ModelType, *, use_gpu: bool) -> str:
    """Where a model will go: the first GPU, if one is wanted, there, and supported by the engine's build."""
    if not use_gpu or not gpus() or model_type is ModelType.CUSTOM:
        return CPU
    supported = torch_runs_on_gpu() if model_type is ModelType.PYTORCH else llama_cpp_runs_on_gpu()
    first = min(gpus(), key=lambda device: device.name)
    return first.name if supported else CPU


def same_memory(one: str, other: str) -> bool:
    """Whether two devices are one memory: CPU and an Apple GPU share it; ``cuda`` without a number is the first."""
    first = {"cuda": "cuda:0", "mps": CPU}
    return first.get(one, one) == first.get(other, other)


@lru_cache(maxsize=1)
def torch_runs_on_gpu() -> bool:
    """Whether the installed torch is a build for GPUs; its version says so."""
    try:
        return not version("torch").endswith("+cpu")
    except PackageNotFoundError:
        return False


@lru_cache(maxsize=1)
def llama_cpp_runs_on_gpu() -> bool:
    """Whether the installed llama.cpp was built with a GPU backend; its libraries say so."""
    spec = find_spec("llama_cpp")
    roots = spec.submodule_search_locations if spec else None
    backends = ("cuda", "metal", "hip", "vulkan", "sycl")
    return any(
        backend in library.name
        for root in roots or ()
        for library in Path(root, "lib").glob("*ggml-*")
        for backend in backends
    )


def gpu_process_bytes(pid: int) -> int | None:
    """GPU memory of a process, over all GPUs; None when the driver does not say."""
    return _gpu_memory_by_process(int(time.monotonic() / _PROCESS_MEMORY_KEPT_S)).get(pid)


def gpu_bytes_of_nobody() -> int | None:
    """Memory of all NVIDIA GPUs that is used and that no process is known to hold; None where there is no such GPU."""
    loads = gpu_loads()
    return sum(load.used_bytes for load in loads) - sum(_memory_by_process().values()) if loads else None


@lru_cache(maxsize=1)
def _gpu_memory_by_process(tick: int) -> dict[int, int]:
    return _memory_by_process()


def _memory_by_process() -> dict[int, int]:
    used: dict[int, int] = {}
    for line in _nvidia_smi("--query-compute-apps=pid,used_memory"):
        pid, _, mib = (part.strip() for part in line.partition(","))
        if pid.isdigit() and mib.isdigit():
            used[int(pid)] = used.get(int(pid), 0) + int(mib) * 2**20
    return used


def _nvidia_smi(query: str) -> list[str]:
    command = shutil.which("nvidia-smi")
    if command is None:
        return []
    try:
        answer = subprocess.run(
            [command, query, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=_SMI_TIMEOUT_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return answer.stdout.splitlines()


def ram_bytes() -> int:
    """Memory that this process may use: the machine's, or what its container is given if that is less."""
    limit = _control_group_limit(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    total = int(psutil.virtual_memory().total)
    return total if limit is None else min(total, limit)


def free_ram_bytes() -> int:
    """Memory that could be used now without pushing others out."""
    return int(psutil.virtual_memory().available)


def _control_group_limit(root: Path, membership: Path) -> int | None:
    """The tightest memory limit of the control groups (versions 1 and 2) that this process is in."""
    limits = []
    for folder in _control_groups(root, membership):
        for name in ("memory.max", "memory.limit_in_bytes"):
            try:
                text = (folder / name).read_text(encoding="ascii").strip()
            except (OSError, ValueError):
                continue
            if text.isdigit():
                limits.append(int(text))
    return min(limits, default=None)


def _control_groups(root: Path, membership: Path) -> list[Path]:
    """The folders of the groups and of those around them; in a container the innermost is often mounted as the root."""
    folders = [root, root / "memory"]
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return folders
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        base = root if not controllers else root / "memory"
        if controllers in ("", "memory"):
            inner = base / path.lstrip("/")
            folders += [inner, *(parent for parent in inner.parents if base in parent.parents)]
    return folders
