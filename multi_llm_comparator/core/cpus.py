"""How many processors there are to share out, and what they compute fast."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

CPU_DESCRIPTION = Path("/proc/cpuinfo")
# What oneDNN, which computes for torch, wants of a processor before it takes bfloat16: all of a row.
_BFLOAT16_FLAGS = {"x86_64": {"avx512bw", "avx512vl", "avx512dq"}, "aarch64": {"bf16"}}
_OWN_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def available_cpus() -> int:
    """The CPUs that this process may use: those that it is bound to, where the system can say, and no more than
    ``OMP_NUM_THREADS`` if that is set: who shares a machine says so there."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(bound, int(allowed))) if allowed.isdecimal() else bound


@cache
def cpu_name() -> str:
    """What the processor calls itself, or its kind where the system does not say."""
    if CPU_DESCRIPTION.exists():
        for line in CPU_DESCRIPTION.read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


@cache
def computes_bfloat16() -> bool:
    """Whether torch multiplies bfloat16 matrices on this CPU about as fast as float32 ones.

    Elsewhere it is up to seven times slower. Where the system does not say what its processor has, it is taken to.
    """
    wanted = _BFLOAT16_FLAGS.get(platform.machine())
    if wanted is None or not CPU_DESCRIPTION.exists():
        return True
    flags = _flags()
    return flags is None or wanted <= flags


def slow_on_cpu(dtype: str) -> bool:
    """Whether a CPU had better compute in float32 what is stored as ``dtype`` (``float16``, ``bfloat16``, ...)."""
    return dtype == "float16" or (dtype == "bfloat16" and not computes_bfloat16())


@cache
def multiplies_bfloat16() -> bool:
    """Whether this CPU has instructions of its own for products of bfloat16 matrices: several times float32's speed."""
    flags = _flags() if CPU_DESCRIPTION.exists() else None
    return flags is not None and bool(_OWN_BFLOAT16_FLAGS & flags)


def _flags() -> set[str] | None:
    """What the processor has, in the system's words; None if it does not say."""
    for line in CPU_DESCRIPTION.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return None
