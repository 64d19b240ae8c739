"""Conversions in the background: one at a time, each in a child process, so that the app never waits for one.

A :class:`ConversionJobs` belongs to one event loop. A page starts a job, reads its :attr:`ConversionJob.progress` and
may be closed meanwhile; the job goes on as long as the app does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from multi_llm_comparator.conversion.convert import canonical_target
from multi_llm_comparator.conversion.places import remove_leftovers
from multi_llm_comparator.conversion.report import ConversionReport, Phase
from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConversionError, MultiLLMError, error_from_name
from multi_llm_comparator.core.private_files import umask_for_models
from multi_llm_comparator.services.asked_process import AskedProcess
from multi_llm_comparator.services.memory_watch import used_too_much, work_limit_bytes

__all__ = ["ConversionJob", "ConversionJobs", "ConversionProgress", "ConversionState"]

ConversionState = Literal["waiting", "running", "done", "failed", "cancelled"]
MAX_WAITING = 20
MAX_KEPT = 50
MAX_LINE_BYTES = 4 * 2**20
# A child that was told to end cleans up; one that does not is killed.
END_WITHIN_S = 5.0
# Too early, a first guess at the time left would be far off.
LEAST_SHARE = 0.03

log = logging.getLogger(__name__)

# Compares the predictions of a file that was made with those of what it was made from: source, adapter, file.
Check = Callable[[Path, Path | None, Path], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class ConversionProgress:
    """How far a conversion is. ``share`` is of the whole, from 0 to 1; times are of :func:`core.clock.now`.

    ``unchecked`` is why the predictions of what was made could not be compared; empty where they were, or need not be.
    """

    state: ConversionState = "waiting"
    phase: Phase = "reading"
    share: float = 0.0
    began_at: float | None = None
    ended_at: float | None = None
    error: MultiLLMError | None = None
    report: ConversionReport | None = None
    unchecked: str = ""

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")

    @property
    def eta_s(self) -> float | None:
        """Seconds still to go, if it goes on as it did; None while that is not known."""
        if self.state != "running" or self.began_at is None or not LEAST_SHARE <= self.share < 1.0:
            return None
        return (now() - self.began_at) * (1.0 - self.share) / self.share


class ConversionJob:
    """One conversion. Its :attr:`progress` is a snapshot that any thread may read."""

    def __init__(
        self, source: Path, out: Path, target: str, *, overwrite: bool, max_bytes: int, adapter: Path | None = None
    ) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.source, self.out, self.target, self.overwrite = source, out, target, overwrite
        self.adapter = adapter
        self._max_bytes = max_bytes
        self.progress = ConversionProgress()
        self._task: asyncio.Task[None] | None = None

    def begin(self, turn: asyncio.Semaphore, made: Callable[[], object], check: Check | None) -> None:
        """Begin, as soon as ``turn`` lets it; ``check`` what was made. Called once, on the event loop."""
        self._task = asyncio.create_task(self._run(turn, made, check))

    async def wait(self) -> ConversionProgress:
        """Wait until it is over, however it ends."""
        assert self._task is not None
        await asyncio.wait({self._task})
        return self.progress

    async def cancel(self) -> None:
        """End it at once and remove what it wrote; a file that is whole already stays, unchecked."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        if not self.progress.is_over:
            # Cancelled before its first step.
            self._end("cancelled")

    async def _run(self, turn: asyncio.Semaphore, made: Callable[[], object], check: Check | None) -> None:
        try:
            async with turn:
                self.progress = replace(self.progress, state="running", began_at=now())
                report = await self._convert()
                await asyncio.to_thread(made)
                unchecked = "" if check is None else await self._compared(check)
            self._end("done", report=report, unchecked=unchecked)
        except MultiLLMError as exc:
            self._end("failed", error=exc)
        except asyncio.CancelledError:
            self._end("cancelled")
            raise
        except Exception as exc:
            # The edge of a background task: nobody else would see it, and the job would seem to run for ever.
            log.exception("the conversion of %r failed", str(self.source))
            why = f"the conversion itself failed ({type(exc).__name__}: {str(exc)[:300]}); the log has the details"
            self._end("failed", error=ConversionError(why))

    async def _compared(self, check: Check) -> str:
        """Have the predictions of what was made compared; why that could not be. The file itself is there."""
        self.progress = replace(self.progress, phase="comparing", share=1.0)
        try:
            await check(self.source, self.adapter, self.out)
        except MultiLLMError as exc:
            return str(exc)
        except asyncio.CancelledError:
            # Whoever stops it now, or ends the app, keeps what was made.
            return "it was stopped"
        except Exception as exc:
            # The edge of a background task: a check that breaks must not make a file that is whole a failure.
            log.exception("%r could not be checked", str(self.out))
            return f"the check itself failed ({type(exc).__name__}); the log has the details"
        return ""

    def _end(self, state: ConversionState, **more: Any) -> None:
        self.progress = replace(self.progress, state=state, ended_at=now(), **more)

    async def _convert(self) -> ConversionReport:
        remove_leftovers(self.out)
        request = {
            "source": str(self.source.absolute()),
            "out": str(self.out.absolute()),
            "target": self.target,
            "adapter": None if self.adapter is None else str(self.adapter.absolute()),
            "overwrite": self.overwrite,
        }
        try:
            async with contextlib.aclosing(_ask(request, self._max_bytes)) as messages:
                async for message in messages:
                    match message:
                        case {"kind": "progress"}:
                            phase, share = message["phase"], message["share"]
                            self.progress = replace(self.progress, phase=phase, share=share)
                        case {"kind": "result"}:
                            report = ConversionReport.from_dict(message["report"])
                            return replace(report, out=self.out)
                        case _:
                            raise error_from_name(message["type"], message["message"])
        finally:
            remove_leftovers(self.out)
        raise ConversionError(f"the conversion of {self.source.name!r} ended unexpectedly; the log may say why")


class ConversionJobs:
    """All conversions of this process. Its methods are called on one event loop; :attr:`jobs` may be read anywhere.

    Args:
        made: called in a thread when a model was made, before its job is done: to scan again.
        check: compares what was made with what it was made from, where that is asked for.
        limit_bytes: asked when a job is started for the RAM that it may take.
    """

    def __init__(
        self,
        made: Callable[[], object] = lambda: None,
        *,
        check: Check | None = None,
        limit_bytes: Callable[[], int] = work_limit_bytes,
    ) -> None:
        self._made, self._check, self._limit_bytes = made, check, limit_bytes
        self._jobs: tuple[ConversionJob, ...] = ()
        self._turn = asyncio.Semaphore(1)

    @property
    def jobs(self) -> tuple[ConversionJob, ...]:
        """Newest first; finished ones beyond the last fifty are forgotten."""
        return self._jobs

    @property
    def running(self) -> tuple[ConversionJob, ...]:
        """Those at work or waiting for their turn, newest first."""
        return tuple(job for job in self._jobs if not job.progress.is_over)

    def start(
        self,
        source: Path,
        out: Path,
        target: str,
        *,
        overwrite: bool = False,
        adapter: Path | None = None,
        is_checked: bool = False,
    ) -> ConversionJob:
        """Begin a conversion, or put it behind those before it. Call it on the event loop.

        Args:
            source: a checkpoint folder, or a GGUF file.
            out: the folder or file to make.
            target: one of :data:`conversion.convert.TARGETS`.
            overwrite: whether what a conversion made before may be replaced.
            adapter: a peft folder to merge into the source, or to write alone.
            is_checked: whether the predictions of what was made are compared with those of what it was made from.

        Raises:
            InvalidParameterError: an unknown target.
            ConversionError: ``out`` is taken, or is being written already, or too many wait.
            NotAllowedError: the caller is no admin.
        """
        refuse_workspaces("convert models")
        wanted = canonical_target(target)
        if any(job.out.absolute() == out.absolute() for job in self.running):
            raise ConversionError(f"{str(out)!r} is being made already")
        if out.exists() and not overwrite:
            raise ConversionError(f"{str(out)!r} is there already; delete or rename it, or choose another name")
        if len(self.running) > MAX_WAITING:
            raise ConversionError(f"{MAX_WAITING} conversions wait already; start it when some are done")
        job = ConversionJob(source, out, wanted, overwrite=overwrite, max_bytes=self._limit_bytes(), adapter=adapter)
        over = [other for other in self._jobs if other.progress.is_over][: MAX_KEPT - 1]
        self._jobs = (job, *(other for other in self._jobs if not other.progress.is_over or other in over))
        job.begin(self._turn, self._made, self._check if is_checked else None)
        return job

    def forget(self, job: ConversionJob) -> None:
        """Take a job that is over off the list."""
        self._jobs = tuple(other for other in self._jobs if other is not job or not job.progress.is_over)

    async def aclose(self) -> None:
        """Cancel whatever runs or waits."""
        await asyncio.gather(*(job.cancel() for job in self.running))


async def _ask(request: dict[str, Any], max_bytes: int) -> AsyncGenerator[dict[str, Any], None]:
    """Run one conversion in a child process; closing the iterator, or cancelling, ends the child.

    Raises:
        ConversionError: it took more than ``max_bytes`` of RAM and was ended.
    """
    child = await _spawn()
    try:
        async with contextlib.aclosing(child.answers(request, max_bytes=max_bytes)) as messages:
            async for message in messages:
                yield message
        if child.took_bytes is not None:
            name = Path(request["source"]).name
            said = used_too_much(f"the conversion of {name!r}", child.took_bytes, max_bytes, "it was at work")
            raise ConversionError(f"{said}; raise max_memory_gb if the machine has more, or look at the file's origin")
    finally:
        # Told first, so that it can clean up.
        await child.end(within_s=END_WITHIN_S)


async def _spawn() -> AskedProcess:
    # llama.cpp is a process of its own in it.
    return await AskedProcess.start(
        "multi_llm_comparator.conversion.job_process",
        max_line_bytes=MAX_LINE_BYTES,
        leads_group=True,
        umask=umask_for_models(),
    )
