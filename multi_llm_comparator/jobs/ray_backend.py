"""A job on a Ray cluster, followed from this machine by the job's own process, as if it were at work here.

That process submits the job by Ray's job API (https://docs.ray.io/en/latest/cluster/running-applications/job-submission),
reads its log, in which the events stand, and passes on that it is to stop. Killed and resumed, it follows what it had
submitted. Scheduling is Ray's; jobs end with their cluster, and are interrupted then.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from multi_llm_comparator import __version__
from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.jobs.events import MAX_LINE_BYTES, Ended, JobEvent, JobNote, Phase, cut, read_event
from multi_llm_comparator.jobs.folder import JobFolder
from multi_llm_comparator.jobs.ray_entry import ID_VARIABLE, MARK, MAX_SPEC_BYTES, SPEC_VARIABLE, VERSION_VARIABLE
from multi_llm_comparator.jobs.report import Sink
from multi_llm_comparator.jobs.spec import JobSpec

ENTRYPOINT = "exec python -m multi_llm_comparator.jobs.ray_entry"
# A checkpoint is written within this. Ray itself would kill after 3 s.
STOP_GRACE_S = 90
REQUEST_TIMEOUT_S = 30.0
LOOK_EVERY_S = 1.0
# A cluster that cannot be reached for so long is taken to be gone.
LOST_AFTER_S = 60.0
# What a job printed last comes shortly after its end.
LAST_LINES_S = 15.0
OVER = frozenset({"STOPPED", "SUCCEEDED", "FAILED"})
SUBMISSION_FILE = "submission.json"

log = logging.getLogger(__name__)
T = TypeVar("T")


def work_on_cluster(
    spec: JobSpec, folder: JobFolder, sink: Sink, is_stopped: Callable[[], bool], *, lost_after_s: float = LOST_AFTER_S
) -> Ended:
    """Have a cluster do the job, and tell here what it tells there.

    Raises:
        ConfigurationError: Ray is not installed, the address is none, or the options are too large.
    """
    return asyncio.run(_Following(spec, folder, sink, is_stopped, lost_after_s).work())


def open_client(address: str) -> Any:
    """Ray's client for jobs. Takes seconds: Ray is a large library.

    Raises:
        ConfigurationError: it is not installed.
        ConnectionError, RuntimeError: nobody answers there, or an old version.
    """
    try:
        from ray.job_submission import JobSubmissionClient
    except ImportError as exc:
        raise ConfigurationError("Ray is not installed here: pip install '.[ray]'") from exc
    return JobSubmissionClient(address)


class _Lost(Exception):
    """The cluster, or the job on it, is gone."""


class _Following:
    """One attempt at a job of a cluster."""

    def __init__(
        self, spec: JobSpec, folder: JobFolder, sink: Sink, is_stopped: Callable[[], bool], lost_after_s: float
    ) -> None:
        self._spec, self._folder, self._sink, self._is_stopped = spec, folder, sink, is_stopped
        self._lost_after_s = lost_after_s
        self._client: Any = None
        self._submission = ""
        self._ended: Ended | None = None
        self._lines = _Lines(self._take, lambda text: print(text, flush=True))

    async def work(self) -> Ended:
        self._sink(Phase(name="connecting"))
        address = self._spec.address or ""
        try:
            self._client = await self._persistently(lambda: open_client(address), f"at {address!r}")
            await self._submit_or_find()
            return await self._follow()
        except _Lost as exc:
            return Ended(outcome="interrupted", text=cut(str(exc)))

    async def _submit_or_find(self) -> None:
        """Find what an attempt before submitted and what is at work still, else submit anew."""
        number, known = 1, _submitted(self._folder.work / SUBMISSION_FILE)
        if known is not None:
            number, self._submission = known[0] + 1, known[1]
            if await self._status_if_known() in ("PENDING", "RUNNING"):
                self._sink(JobNote(text=f"the cluster still works on {self._submission!r}; it is followed again"))
                return
        self._submission = f"{self._folder.path.name}-{number}"
        write_atomically(
            self._folder.work / SUBMISSION_FILE, json.dumps({"number": number, "id": self._submission}) + "\n"
        )
        arguments = submission(self._spec, self._folder.path.name) | {"submission_id": self._submission}
        try:
            await _in_time(lambda: self._client.submit_job(**arguments))
        except (OSError, RuntimeError, TimeoutError) as exc:
            raise _Lost(f"the cluster at {self._spec.address!r} did not take the job: {_short(exc)}") from exc

    async def _status_if_known(self) -> str | None:
        try:
            return str((await _in_time(lambda: self._client.get_job_status(self._submission))).value)
        except (OSError, RuntimeError, TimeoutError):
            return None

    async def _follow(self) -> Ended:
        tail = asyncio.create_task(self._tail())
        is_told, before = False, ""
        try:
            while (status := await self._status()) not in OVER:
                if self._is_stopped() and not is_told:
                    is_told = True
                    await self._persistently(lambda: self._client.stop_job(self._submission), "to stop the job")
                if status == "PENDING" != before:
                    self._sink(Phase(name="pending"))
                before = status
                await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.wait({tail}, timeout=LAST_LINES_S)
        finally:
            tail.cancel()
        return self._outcome(status)

    def _outcome(self, status: str) -> Ended:
        if self._ended is not None:
            return self._ended
        if status == "STOPPED" and self._is_stopped():
            return Ended(outcome="stopped")
        if status == "STOPPED":
            return Ended(outcome="interrupted", text="somebody stopped the job on the cluster; resume it to continue")
        text = f"Ray says that the job {status.lower()}, and it did not say how it ended; its log may say why"
        return Ended(outcome="failed", type="JobError", text=text)

    async def _status(self) -> str:
        what = f"about job {self._submission!r}"
        return str((await self._persistently(lambda: self._client.get_job_status(self._submission), what)).value)

    async def _persistently(self, call: Callable[[], T], what: str) -> T:
        """Ask the cluster until it answers; raises _Lost when it does not, or knows nothing of the job."""
        since = time.monotonic()
        while True:
            try:
                return await _in_time(call)
            except (OSError, RuntimeError, TimeoutError) as exc:
                # A cluster that was started anew knows nothing of old jobs; asking again changes nothing.
                if "404" in str(exc) or time.monotonic() - since >= self._lost_after_s:
                    why = f"the Ray cluster does not answer {what}: {_short(exc)}"
                    raise _Lost(f"{why}; resume the job when it is back") from exc
                log.warning("the cluster does not answer %s: %s", what, _short(exc))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _tail(self) -> None:
        """Read the log of the job to its end; after a broken connection from its beginning, past what is known."""
        while True:
            self._lines.begin_again()
            try:
                async for text in self._client.tail_job_logs(self._submission):
                    self._lines.add(text)
                return
            except asyncio.CancelledError:
                raise
            # The client raises whatever its libraries do; the status tells if the cluster is lost.
            except Exception as exc:
                log.warning("the log of %r is read again: %s", self._submission, _short(exc))
            await asyncio.sleep(LOOK_EVERY_S)

    def _take(self, event: JobEvent) -> None:
        if isinstance(event, Ended):
            self._ended = event
        else:
            self._sink(event)


class _Lines:
    """Tells events from what was printed, in a text that comes in pieces."""

    def __init__(self, on_event: Callable[[JobEvent], None], on_line: Callable[[str], None]) -> None:
        self._on_event, self._on_line = on_event, on_line
        self._rest, self._number, self._known = "", 0, 0

    def begin_again(self) -> None:
        """The text comes from its beginning once more: what was seen of it is passed over."""
        self._known, self._number, self._rest = max(self._known, self._number), 0, ""

    def add(self, text: str) -> None:
        *lines, self._rest = (self._rest + text).split("\n")
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = ""
        for line in lines:
            self._number += 1
            if self._number > self._known:
                self._tell(line)

    def _tell(self, line: str) -> None:
        printed, mark, told = line.partition(MARK)
        event = read_event(told.encode()) if mark else None
        if event is not None:
            self._on_event(event)
        if printed.strip():
            self._on_line(printed)


def submission(spec: JobSpec, run_id: str) -> dict[str, Any]:
    """The arguments with which a job is submitted.

    Raises:
        ConfigurationError: its options are too large for the way to a cluster.
    """
    there = spec.model_copy(update={"backend": "local", "address": None}).model_dump_json()
    if len(there.encode()) > MAX_SPEC_BYTES:
        raise ConfigurationError(
            f"the options of the job have {len(there.encode())} bytes; at most {MAX_SPEC_BYTES} reach a Ray cluster: "
            "name files that the cluster can read instead of giving their content"
        )
    variables = {
        **spec.environment,
        SPEC_VARIABLE: there,
        ID_VARIABLE: run_id,
        VERSION_VARIABLE: __version__,
        "RAY_JOB_STOP_WAIT_TIME_S": str(STOP_GRACE_S),
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    }
    if spec.needs.cpus:
        variables["OMP_NUM_THREADS"] = str(spec.needs.cpus)
    return {
        "entrypoint": ENTRYPOINT,
        "runtime_env": {"env_vars": variables},
        "metadata": {"title": spec.title, "kind": spec.kind},
        # Without any of these the job would run on the head, whatever else does.
        "entrypoint_num_cpus": spec.needs.cpus or 1,
        "entrypoint_num_gpus": spec.needs.gpus or None,
        "entrypoint_memory": spec.needs.memory_bytes or None,
    }


def _submitted(path: Path) -> tuple[int, str] | None:
    try:
        data = load_json(path, 4096)
        return int(data["number"]), str(data["id"])
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _short(exc: BaseException) -> str:
    return (str(exc) or type(exc).__name__)[:300]


async def _in_time(call: Callable[[], T]) -> T:
    """Call what may block for ever, in a thread that does not keep this process from ending."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(set_it: Callable[[Any], None], value: Any) -> None:
        if not answer.done():
            set_it(value)

    def work() -> None:
        try:
            result = call()
        except BaseException as exc:
            loop.call_soon_threadsafe(settle, answer.set_exception, exc)
        else:
            loop.call_soon_threadsafe(settle, answer.set_result, result)

    threading.Thread(target=work, name="asks the cluster", daemon=True).start()
    return await asyncio.wait_for(answer, REQUEST_TIMEOUT_S)
