"""Work beside its callers that somebody watches and may cancel, such as downloads and conversions.

Nothing of it is stored: it goes on as long as the app does, and a page that asked for it may be closed meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, TypeVar

from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import MultiLLMError

MAX_KEPT = 50

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundProgress:
    """How far it is. ``ended_at`` is of :func:`core.clock.now`, ``error`` why it failed."""

    state: Literal["waiting", "running", "checking", "done", "failed", "cancelled"] = "waiting"
    ended_at: float | None = None
    error: MultiLLMError | None = None

    @property
    def is_over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


P = TypeVar("P", bound=BackgroundProgress)


class BackgroundTask(ABC, Generic[P]):
    """One piece of work. Its :attr:`progress` is a snapshot that any thread may read.

    Args:
        what: what messages call it.
        progress: at first.
        failure: the error that is told where something went wrong that is none of ours.
    """

    def __init__(self, what: str, progress: P, failure: type[MultiLLMError]) -> None:
        self.progress = progress
        self._what, self._failure = what, failure
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def work(self) -> dict[str, Any]:
        """All that it does. Gives what its progress says once it is done."""

    def begin(self) -> None:
        """Begin, on the running event loop; once."""
        self._task = asyncio.create_task(self._run())

    def note(self, **changes: Any) -> None:
        """Its progress says something else now."""
        self.progress = replace(self.progress, **changes)

    async def wait(self) -> P:
        """Wait until it is over, however it ends."""
        assert self._task is not None
        await asyncio.wait({self._task})
        return self.progress

    async def cancel(self) -> None:
        """End it at once."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self.progress.is_over:
            # Cancelled before its first step.
            self._end("cancelled")

    async def _run(self) -> None:
        try:
            self._end("done", **await self.work())
        except MultiLLMError as exc:
            self._end("failed", error=exc)
        except asyncio.CancelledError:
            self._end("cancelled")
            raise
        except Exception as exc:
            # The edge of a background task: nobody else would see it, and it would seem to run for ever.
            log.exception("%s failed", self._what)
            why = f"{self._what} itself failed ({type(exc).__name__}: {str(exc)[:300]}); the log has the details"
            self._end("failed", error=self._failure(why))

    def _end(self, state: str, **more: Any) -> None:
        self.note(state=state, ended_at=now(), **more)


T = TypeVar("T", bound=BackgroundTask[Any])


class BackgroundTasks(Generic[T]):
    """All of one sort in this process. They are begun on one event loop; :attr:`jobs` may be read anywhere."""

    def __init__(self) -> None:
        self._jobs: tuple[T, ...] = ()

    @property
    def jobs(self) -> tuple[T, ...]:
        """Newest first; finished ones beyond the last fifty are forgotten."""
        return self._jobs

    @property
    def running(self) -> tuple[T, ...]:
        """Those at work or waiting for their turn, newest first."""
        return tuple(job for job in self._jobs if not job.progress.is_over)

    def begin(self, job: T) -> T:
        """Begin one and keep it."""
        over = [other for other in self._jobs if other.progress.is_over][: MAX_KEPT - 1]
        self._jobs = (job, *(other for other in self._jobs if not other.progress.is_over or other in over))
        job.begin()
        return job

    def forget(self, job: T) -> None:
        """Take one that is over off the list."""
        self._jobs = tuple(other for other in self._jobs if other is not job or not job.progress.is_over)

    async def aclose(self) -> None:
        """Cancel whatever runs or waits."""
        await asyncio.gather(*(job.cancel() for job in self.running))
