"""The bounds that a job keeps from within its own process: of what it prints, and of the memory that it takes.

Libraries print as much as they like, and a stranger's model file or data can ask for any amount of memory: the system
would end something else first. Both are watched in threads, for good: the job's own code may work for hours without
returning to ours.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

from multi_llm_comparator.core.exceptions import InsufficientMemoryError
from multi_llm_comparator.jobs.events import Ended
from multi_llm_comparator.jobs.report import Sink
from multi_llm_comparator.services.memory_watch import WATCH_EVERY_S, own_bytes, used_too_much

MAX_LOG_BYTES = 8 * 2**20
KEPT_LOG_BYTES = 2 * 2**20
LOOK_EVERY_S = 1.0
CUT_NOTE = b"[earlier lines were cut here: the log had more than %d MiB]\n"
EXIT_CODE = 1


def keep_bounded(log: Path) -> None:
    """From now on, cut the file to its last part whenever it has grown beyond its bound."""
    threading.Thread(target=_watch_log, args=(log,), name="log bound", daemon=True).start()


def _watch_log(log: Path) -> None:
    while True:
        # A full disk, or a file that somebody moved away: the next look may find it better.
        with contextlib.suppress(OSError):
            cut_log(log)
        threading.Event().wait(LOOK_EVERY_S)


def cut_log(log: Path, max_bytes: int = MAX_LOG_BYTES, kept_bytes: int = KEPT_LOG_BYTES) -> bool:
    """Cut a file that is larger than ``max_bytes`` to its last ``kept_bytes``, from a line's beginning on; whether it
    was. In place, for those who print have it open and append; what they print at this very moment may be lost."""
    with log.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if size <= max_bytes:
            return False
        file.seek(size - kept_bytes)
        tail = file.read()
        file.seek(0)
        file.write(CUT_NOTE % (max_bytes >> 20) + tail[tail.find(b"\n") + 1 :])
        file.truncate()
    return True


def end_beyond(max_bytes: int, sink: Sink) -> None:
    """From now on, end this process once it and those that it started have taken more, and tell why."""
    threading.Thread(target=_watch_memory, args=(max_bytes, sink), name="memory bound", daemon=True).start()


def _watch_memory(max_bytes: int, sink: Sink) -> None:
    while (used := own_bytes(os.getpid())) <= max_bytes:
        threading.Event().wait(WATCH_EVERY_S)
    said = used_too_much("the job", used, max_bytes, "it was at work")
    advice = "choose smaller batches or another model, or raise max_memory_gb, and resume it"
    sink(Ended(outcome="failed", type=InsufficientMemoryError.__name__, text=f"{said}; {advice}"))
    # What it started is ended by whoever follows it, with all of its session.
    os._exit(EXIT_CODE)
