"""Which process is at work on a run: workbench and command line share a store, and two must not solve one run."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass

import psutil

# The moment at which a process began is not read to the microsecond by everybody.
SAME_START_S = 2.0


@dataclass(frozen=True, slots=True)
class WorkingProcess:
    """A process, told from a later one of the same number by when it began."""

    host: str
    pid: int
    began_at: float

    @property
    def is_other(self) -> bool:
        """Whether it is alive and not this one. Of other machines nothing is known."""
        if self.host != platform.node() or self.pid == os.getpid():
            return False
        try:
            return abs(psutil.Process(self.pid).create_time() - self.began_at) < SAME_START_S
        except psutil.Error:
            return False


def this_process() -> WorkingProcess:
    return WorkingProcess(platform.node(), os.getpid(), psutil.Process().create_time())
