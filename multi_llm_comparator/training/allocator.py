"""How the C library hands out memory in a process that trains."""

from __future__ import annotations

import ctypes
import platform

import psutil

from multi_llm_comparator.training.tuning_steps import MOST_HOLES_BYTES

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_PAD_BYTES = 64 * 2**20
_NEVER_BYTES = 2**31 - 1


def keep_freed_memory() -> None:
    """Have freed tensors' memory used again rather than given back to the system and fetched anew.

    Each step needs the same large tensors as the one before. By default glibc maps each of them afresh, and the system
    fills it with zeros page by page: a third of a step's time on a CPU. Only for processes of their own: they keep what
    they once needed. Elsewhere than with glibc nothing is done.
    """
    libc = _glibc()
    if libc is None:
        return
    for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, _NEVER_BYTES), (_TOP_PAD, _PAD_BYTES)):
        libc.mallopt(parameter, value)


def give_back_freed_memory() -> None:
    """Have the system take what is free at this moment, once.

    For after work of another kind: an answer that is written keeps ever larger keys and values, and the pieces of
    memory that they leave do not fit what a step needs.
    """
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


class Holes:
    """Called often, gives back what is free between pieces in use, once that is more than it costs to fetch it anew.

    Where values are computed again, a layer leaves one small piece behind many large ones that it frees, and the next
    layer's do not fit between them: after thirty layers most of the heap was holes (measured: 0.6 GB of them beside
    0.1 GB in use). Where everything is kept there are none.
    """

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._bytes = self._process.memory_info().rss

    def __call__(self, *_: object) -> None:
        if self._process.memory_info().rss > self._bytes + MOST_HOLES_BYTES:
            give_back_freed_memory()
            self._bytes = self._process.memory_info().rss


def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None) if platform.libc_ver()[0] == "glibc" else None
