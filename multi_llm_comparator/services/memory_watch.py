"""How much memory a process has taken, looked at while it works, and what is said when it was too much."""

from __future__ import annotations

import contextlib

import psutil

from multi_llm_comparator.core.readable import size
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.services.devices import CPU
from multi_llm_comparator.services.memory_manager import MemoryManager

# Memory can be filled at a gigabyte a second.
WATCH_EVERY_S = 0.25


def own_bytes(pid: int) -> int:
    """RAM that a process and those it started have taken for themselves; 0 when they are gone.

    Where the system tells them apart (Linux), pages of mapped files are left out: those it can drop.
    """
    taken = 0
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                info = one.memory_info()
                taken += info.rss - getattr(info, "shared", 0)
    return taken


def work_limit_bytes() -> int:
    """RAM that one work beside the models, a conversion or a tuning, may take: what all models together may."""
    return MemoryManager(get_settings().max_memory_gb).limit_bytes(CPU)


def used_too_much(who: str, used_bytes: int, max_bytes: int, doing: str) -> str:
    """The beginning of a message about it, up to what can be done."""
    return f"{who} used {size(used_bytes)} of at most {size(max_bytes)} while {doing} and was ended"
