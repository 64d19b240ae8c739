"""A job on a Ray cluster, as the process that Ray starts there: what it tells goes out between the lines it prints.

Its folder is below the home folder of the workbench on that machine, and stays, so that a resumed job finds its
checkpoint where the folder is shared, or the cluster is one machine.
"""

from __future__ import annotations

import os
import re
import signal
import sys

from multi_llm_comparator import __version__
from multi_llm_comparator.core.bounded_json import read_json
from multi_llm_comparator.core.exceptions import MultiLLMError
from multi_llm_comparator.core.home import CLUSTER_JOBS
from multi_llm_comparator.core.settings import default_home
from multi_llm_comparator.core.telemetry import switch_off_telemetry
from multi_llm_comparator.jobs.events import Ended, JobEvent, JobNote, cut, event_line
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.run import FAILED, OK, Stop, log_to_stderr, told
from multi_llm_comparator.jobs.spec import make_spec

# What begins an event, wherever in a line: no text that people print holds a record separator.
MARK = "\x1emulti-llm-job "
SPEC_VARIABLE, ID_VARIABLE, VERSION_VARIABLE = "MLC_JOB_SPEC", "MLC_JOB_ID", "MLC_JOB_VERSION"
# A variable of the environment may hold 128 KiB on Linux.
MAX_SPEC_BYTES = 100_000
_ID = re.compile(r"[0-9a-f]{12}")


def print_event(event: JobEvent) -> None:
    """One write, so that what threads of a library print does not get into it."""
    os.write(1, b"\n" + MARK.encode() + event_line(event))


def main() -> None:
    log_to_stderr()
    switch_off_telemetry()
    ended = _worked()
    print_event(ended)
    sys.exit(FAILED if ended.outcome == "failed" else OK)


def _worked() -> Ended:
    run_id, version = os.environ.get(ID_VARIABLE, ""), os.environ.get(VERSION_VARIABLE, "")
    if not _ID.fullmatch(run_id):
        return Ended(outcome="failed", type="ConfigurationError", text=f"{ID_VARIABLE} is no id of a job: {run_id!r}")
    try:
        data = os.environ.pop(SPEC_VARIABLE, "").encode()
        spec = make_spec(read_json(data, "the specification of the job", MAX_SPEC_BYTES))
        folder = JobFolder(default_home() / CLUSTER_JOBS / run_id)
        folder.make(spec)
        folder.stop_file.unlink(missing_ok=True)
    except MultiLLMError as exc:
        return Ended(outcome="failed", type=type(exc).__name__, text=cut(str(exc)))
    if version != __version__:
        text = f"the cluster has version {__version__} of the workbench, the app that started the job has {version}"
        print_event(JobNote(level="warning", text=text))
    stop = Stop(folder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop.on_signal)
    return told(spec, folder, print_event, stop)


if __name__ == "__main__":
    main()
