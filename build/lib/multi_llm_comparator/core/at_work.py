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

    def is_same_as(self, other: WorkingProcess) -> bool:
        near = abs(self.began_at - other.began_at) < SAME_START_S
        return near and (self.host, self.pid) == (other.host, other.pid)

    @property
    def is_here(self) -> bool:
        """Whether it is, or was, a process of this machine."""
        return self.host == platform.node()

    @property
    def is_gone(self) -> bool:
        """Whether it has surely ended. Of processes on other machines nothing is known."""
        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            began = process.create_time()
            return process.status() == psutil.STATUS_ZOMBIE or abs(began - self.began_at) >= SAME_START_S
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False

    @property
    def is_other(self) -> bool:
        """Whether it is alive and not this one. Of other machines nothing is known."""
        return self.is_here and self.pid != os.getpid() and not self.is_gone


def this_process() -> WorkingProcess:
    return WorkingProcess(platform.node(), os.getpid(), psutil.Process().create_time())
