"""Ending a job that takes more memory than all models together may, from within its own process: a stranger's model
file or data can ask for any amount, and the system would end something else first."""

from __future__ import annotations

import os
import threading

from multi_llm_comparator.core.exceptions import InsufficientMemoryError
from multi_llm_comparator.jobs.events import Ended
from multi_llm_comparator.jobs.report import Sink
from multi_llm_comparator.services.memory_watch import WATCH_EVERY_S, own_bytes, used_too_much

EXIT_CODE = 1


def end_beyond(max_bytes: int, sink: Sink) -> None:
    """From now on, end this process once it and those that it started have taken more, and tell why.

    In a thread: the job's own code may compute for hours without returning to ours.
    """
    threading.Thread(target=_watch, args=(max_bytes, sink), name="memory bound", daemon=True).start()


def _watch(max_bytes: int, sink: Sink) -> None:
    while (used := own_bytes(os.getpid())) <= max_bytes:
        threading.Event().wait(WATCH_EVERY_S)
    said = used_too_much("the job", used, max_bytes, "it was at work")
    advice = "choose smaller batches or another model, or raise max_memory_gb, and resume it"
    sink(Ended(outcome="failed", type=InsufficientMemoryError.__name__, text=f"{said}; {advice}"))
    # What it started is ended by whoever follows it, with all of its session.
    os._exit(EXIT_CODE)
