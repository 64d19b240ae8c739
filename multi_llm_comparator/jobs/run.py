"""The process of a job: ``python -m multi_llm_comparator.jobs.run <folder>``.

The app starts it so; one may start it by hand too, and what was begun is then resumed. It belongs to itself: the app
may end and come back meanwhile. SIGTERM, Ctrl+C or a file ``stop`` in the folder have it write a checkpoint and end.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from multi_llm_comparator.core.at_work import this_process
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.telemetry import switch_off_telemetry
from multi_llm_comparator.jobs.bounds import end_beyond, keep_bounded
from multi_llm_comparator.jobs.entries import load_entry
from multi_llm_comparator.jobs.events import Began, Ended, cut
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.process import AT_WORK_ALREADY
from multi_llm_comparator.jobs.report import EventsFile, Report, Sink
from multi_llm_comparator.jobs.spec import JobSpec
from multi_llm_comparator.services.memory_watch import work_limit_bytes
from multi_llm_comparator.services.worker import be_nicer

# Behind the models that answer.
NICENESS = 10
OK, FAILED = 0, 1

log = logging.getLogger(__name__)


class Stop:
    """Whether the job is to end: asked by a signal, or by a file."""

    def __init__(self, folder: JobFolder) -> None:
        self._file, self._told = folder.stop_file, threading.Event()

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        self._told.set()

    def __call__(self) -> bool:
        if not self._told.is_set() and self._file.exists():
            self._told.set()
        return self._told.is_set()


def main() -> None:
    parser = argparse.ArgumentParser(description="Run a job, or resume it.")
    parser.add_argument("folder", type=Path, help="folder with the job.json")
    parser.add_argument("--bound-log", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    folder = JobFolder(arguments.folder.absolute())
    log_to_stderr()
    switch_off_telemetry()
    lock = FileLock(folder.lock, timeout=0, mode=0o600)
    try:
        spec = folder.spec()
        lock.acquire()
    except Timeout:
        sys.exit(_said(f"another process is at work on {str(folder.path)!r} already", AT_WORK_ALREADY))
    except (MultiLLMError, OSError) as exc:
        sys.exit(_said(str(exc), FAILED))
    if arguments.bound_log:
        keep_bounded(folder.log)
    with lock:
        sys.exit(work(spec, folder))


def log_to_stderr() -> None:
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s")


def _said(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


def work(spec: JobSpec, folder: JobFolder) -> int:
    """Do the job in this process, telling it in the folder; the exit code."""
    stop = Stop(folder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.on_signal)
    be_nicer(NICENESS)
    here = this_process()
    folder.keep_process(here)
    events = EventsFile(folder.events)
    events(Began(pid=os.getpid(), host=here.host))
    end_beyond(work_limit_bytes(), events)
    ended = told(spec, folder, events, stop)
    events(ended)
    return FAILED if ended.outcome == "failed" else OK


def told(spec: JobSpec, folder: JobFolder, sink: Sink, stop: Stop) -> Ended:
    """Do the job, and say how it ended. This is the edge of the process: whatever happens has to become an event."""
    try:
        folder.work.mkdir(parents=True, exist_ok=True)
        folder.out.mkdir(parents=True, exist_ok=True)
        if spec.backend == "ray":
            from multi_llm_comparator.jobs.ray_backend import work_on_cluster

            return work_on_cluster(spec, folder, sink, stop)
        load_entry(spec.kind)(spec.options, folder.path, Report(sink, stop))
    except MultiLLMError as exc:
        log.warning("the job failed: %s", exc)
        return Ended(outcome="failed", type=type(exc).__name__, text=cut(str(exc)))
    except Exception as exc:
        log.exception("the job failed")
        return Ended(outcome="failed", type="JobError", text=cut(_explained(exc)))
    return Ended(outcome="stopped" if stop() else "done")


def _explained(exc: Exception) -> str:
    match exc:
        case MemoryError():
            return "the job needs more memory than there is; unload models, or choose smaller batches, and resume it"
        case OSError():
            return f"{exc.filename or 'a file'!r}: {exc.strerror or exc}; correct that and resume the job"
        case _:
            return f"the job broke: {type(exc).__name__}: {str(exc)[:500]}; its log has the details"


if __name__ == "__main__":
    main()
