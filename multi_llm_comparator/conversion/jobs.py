"""Conversions in the background: one at a time, each in a child process, so that the app never waits for one.

A :class:`ConversionJobs` belongs to one event loop. A page starts a job, reads its :attr:`ConversionJob.progress` and
may be closed meanwhile; the job goes on as long as the app does.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from multi_llm_comparator.conversion.convert import canonical_target
from multi_llm_comparator.conversion.places import remove_leftovers
from multi_llm_comparator.conversion.report import ConversionReport, Phase
from multi_llm_comparator.core.callers import refuse_workspaces
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConversionError, MultiLLMError
from multi_llm_comparator.core.private_files import umask_for_models
from multi_llm_comparator.services.asked_process import AskedProcess
from multi_llm_comparator.services.background import BackgroundProgress, BackgroundTask, BackgroundTasks
from multi_llm_comparator.services.memory_watch import used_too_much, work_limit_bytes

__all__ = ["ConversionJob", "ConversionJobs", "ConversionProgress"]

MAX_WAITING = 20
MAX_LINE_BYTES = 4 * 2**20
# A child that was told to end cleans up; one that does not is killed.
END_WITHIN_S = 5.0
# Too early, a first guess at the time left would be far off.
LEAST_SHARE = 0.03

log = logging.getLogger(__name__)

# Compares the predictions of a file that was made with those of what it was made from: source, adapter, file.
Check = Callable[[Path, Path | None, Path], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionProgress(BackgroundProgress):
    """How far a conversion is. ``share`` is of the whole, from 0 to 1; ``began_at`` is of :func:`core.clock.now`.

    ``unchecked`` is why the predictions of what was made could not be compared; empty where they were, or need not be.
    """

    phase: Phase = "reading"
    share: float = 0.0
    began_at: float | None = None
    report: ConversionReport | None = None
    unchecked: str = ""

    @property
    def eta_s(self) -> float | None:
        """Seconds still to go, if it goes on as it did; None while that is not known."""
        if self.state != "running" or self.began_at is None or not LEAST_SHARE <= self.share < 1.0:
            return None
        return (now() - self.began_at) * (1.0 - self.share) / self.share


class ConversionJob(BackgroundTask[ConversionProgress]):
    """One conversion. Cancelled, it removes what it wrote; a file that is whole already stays, unchecked."""

    def __init__(
        self,
        jobs: ConversionJobs,
        source: Path,
        out: Path,
        target: str,
        *,
        overwrite: bool,
        adapter: Path | None,
        is_checked: bool,
    ) -> None:
        super().__init__(f"the conversion of {source.name!r}", ConversionProgress(), ConversionError)
        self.id = uuid.uuid4().hex[:12]
        self.source, self.out, self.target, self.overwrite = source, out, target, overwrite
        self.adapter = adapter
        self._jobs, self._max_bytes = jobs, jobs.limit_bytes()
        self._check = jobs.check if is_checked else None

    async def work(self) -> dict[str, Any]:
        async with self._jobs.turn:
            self.note(state="running", began_at=now())
            report = await self._convert()
            await asyncio.to_thread(self._jobs.made)
            unchecked = "" if self._check is None else await self._compared(self._check)
            return {"report": report, "unchecked": unchecked}

    async def _compared(self, check: Check) -> str:
        """Have the predictions of what was made compared; why that could not be. The file itself is there."""
        self.note(phase="comparing", share=1.0)
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

    async def _convert(self) -> ConversionReport:
        """Raises ConversionError: it took more RAM than it may, or ended unexpectedly; what the conversion raises."""
        request = {
            "source": str(self.source.absolute()),
            "out": str(self.out.absolute()),
            "target": self.target,
            "adapter": None if self.adapter is None else str(self.adapter.absolute()),
            "overwrite": self.overwrite,
        }
        remove_leftovers(self.out)
        try:
            child = await _spawn()
            try:
                found = await child.ask(
                    request,
                    max_bytes=self._max_bytes,
                    on_progress=lambda told: self.note(phase=told["phase"], share=told["share"]),
                )
            finally:
                # Told first, so that it can clean up.
                await child.end(within_s=END_WITHIN_S)
        finally:
            remove_leftovers(self.out)
        if found is not None:
            return replace(ConversionReport.from_dict(found["report"]), out=self.out)
        if child.took_bytes is None:
            raise ConversionError(f"the conversion of {self.source.name!r} ended unexpectedly; the log may say why")
        what = f"the conversion of {self.source.name!r}"
        said = used_too_much(what, child.took_bytes, self._max_bytes, "it was at work")
        raise ConversionError(f"{said}; raise max_memory_gb if the machine has more, or look at the file's origin")


class ConversionJobs(BackgroundTasks[ConversionJob]):
    """All conversions of this process, one at a time.

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
        super().__init__()
        self.made, self.check, self.limit_bytes = made, check, limit_bytes
        self.turn = asyncio.Semaphore(1)

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
        job = ConversionJob(self, source, out, wanted, overwrite=overwrite, adapter=adapter, is_checked=is_checked)
        return self.begin(job)


async def _spawn() -> AskedProcess:
    # llama.cpp is a process of its own in it.
    return await AskedProcess.start(
        "multi_llm_comparator.conversion.job_process",
        max_line_bytes=MAX_LINE_BYTES,
        leads_group=True,
        umask=umask_for_models(),
    )
