"""How many processors there are to share out."""

from __future__ import annotations

import os


def available_cpus() -> int:
    """The CPUs that this process may use: those that it is bound to, where the system can say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
