"""Starting the process of a job, finding it again, ending it with all that it started, and what it left behind.

A job outlives the app, so nothing ties it to it: no pipe, no session, no signal at the parent's death. It is known by
its number and the moment it began, and what it started by a variable in the environment.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from multi_llm_comparator.core.at_work import WorkingProcess, this_process
from multi_llm_comparator.core.exceptions import JobError
from multi_llm_comparator.core.private_files import umask_for_models
from multi_llm_comparator.core.readable import gb
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.spec import JobSpec
from multi_llm_comparator.services.child_process import child_environment

JOB_VARIABLE = "MLC_JOB"
# How the process of a job ends when another one has its folder.
AT_WORK_ALREADY = 75
RUN_MODULE = "multi_llm_comparator.jobs.run"
# Killed processes are gone within milliseconds, unless one hangs in the kernel.
GONE_WITHIN_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Share:
    """What of the machine a job is given: so many threads, and these GPUs by their numbers."""

    threads: int
    gpus: tuple[int, ...] = ()

    def environment(self) -> dict[str, str]:
        threads = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
        # Numbered by the driver's order, as ours are.
        gpus = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(map(str, self.gpus))}
        return {**dict.fromkeys(threads, str(self.threads)), **gpus}


@dataclass(frozen=True, slots=True)
class Leftover:
    """A process that a job started and that outlived it."""

    pid: int
    name: str
    memory_bytes: int

    @property
    def text(self) -> str:
        what = f"process {self.pid} ({self.name}), which the job started, still runs"
        return f"{what} and holds {gb(self.memory_bytes)}; end it with 'kill {self.pid}'"


class JobProcess:
    """The process of a job, as this app started it or found it again."""

    def __init__(self, working: WorkingProcess, child: subprocess.Popen[bytes] | None = None) -> None:
        self.working, self._child = working, child

    @property
    def pid(self) -> int:
        return self.working.pid

    @property
    def is_gone(self) -> bool:
        if self._child is not None:
            # Asking is what buries it.
            return self._child.poll() is not None
        return self.working.is_gone

    @property
    def exit_code(self) -> int | None:
        """How it ended, ``-signal`` if it was killed; None while it runs, or if another app started it."""
        return self._child.poll() if self._child is not None else None

    def terminate(self) -> None:
        """Ask it to end; it writes a checkpoint first."""
        if not self.is_gone:
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGTERM)


def start_process(run_id: str, folder: JobFolder, spec: JobSpec, share: Share) -> JobProcess:
    """Start the process of a job, leader of a session of its own, with what it prints in the log file.

    Raises:
        JobError: the system refuses.
    """
    variables = {**share.environment(), "PYTHONUNBUFFERED": "1", **spec.environment, JOB_VARIABLE: run_id}
    try:
        with folder.log.open("ab") as printed:
            child = subprocess.Popen(
                [sys.executable, "-m", RUN_MODULE, str(folder.path), "--bound-log"],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                env=child_environment(variables),
                start_new_session=True,
                umask=umask_for_models(),
            )
    except (OSError, subprocess.SubprocessError) as exc:
        why = f"the process of job {run_id!r} cannot be started: {exc}; free memory or disk, and resume the job"
        raise JobError(why) from exc
    try:
        began_at = psutil.Process(child.pid).create_time()
    except psutil.Error:
        began_at = 0.0
    return JobProcess(WorkingProcess(this_process().host, child.pid, began_at), child)


def find_process(folder: JobFolder) -> JobProcess | None:
    """The living process of a job on this machine, whoever started it."""
    working = folder.process()
    return JobProcess(working) if working is not None and working.is_here and not working.is_gone else None


def processes_of(run_id: str) -> list[psutil.Process]:
    """Every process of this user that a job started, also those that left its session."""
    found = []
    for process in psutil.process_iter():
        # Of others' processes, and of some of the system's, nothing can be read.
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(JOB_VARIABLE) == run_id:
                found.append(process)
    return found


def end_group(run_id: str, leader: int) -> tuple[Leftover, ...]:
    """Kill what is left of a job's session; what of its processes has left that and lives on."""
    in_session: list[psutil.Process] = []
    elsewhere: list[psutil.Process] = []
    for process in processes_of(run_id):
        (in_session if _session(process.pid) == leader else elsewhere).append(process)
    for process in in_session:
        with contextlib.suppress(psutil.Error):
            process.kill()
    until = time.monotonic() + GONE_WITHIN_S
    while (alive := _leftovers(in_session)) and time.monotonic() < until:
        time.sleep(0.02)
    return (*alive, *_leftovers(elsewhere))


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid) if hasattr(os, "getsid") else None
    except OSError:
        return None


def _leftovers(processes: Sequence[psutil.Process]) -> list[Leftover]:
    left = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                left.append(Leftover(process.pid, process.name(), process.memory_info().rss))
    return left


def how_it_ended(code: int | None) -> str:
    """What is known of the end of a process that did not say, by its exit code: ``-signal`` if it was killed."""
    if code is None or code >= 0:
        return "is gone without having said how it ended"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
    return f"was ended by {name}, perhaps for want of memory" if name == "SIGKILL" else f"was ended by {name}"
