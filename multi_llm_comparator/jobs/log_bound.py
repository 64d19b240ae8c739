"""Keeping what a job prints to a bound, from within its own process: libraries print as much as they like."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

MAX_LOG_BYTES = 8 * 2**20
KEPT_LOG_BYTES = 2 * 2**20
LOOK_EVERY_S = 1.0
CUT_NOTE = b"[earlier lines were cut here: the log had more than %d MiB]\n"


def keep_bounded(log: Path) -> None:
    """From now on, cut the file to its last part whenever it has grown beyond its bound; for good.

    In a thread: the job's own code may print for hours without returning to ours.
    """
    threading.Thread(target=_watch, args=(log,), name="log bound", daemon=True).start()


def _watch(log: Path) -> None:
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
