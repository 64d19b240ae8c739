"""A kind of run whose runs are one coroutine each: how they are begun, found, resumed, exported and read again."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.runs.exporting import Exports
from multi_llm_comparator.runs.registry import RunRegistry
from multi_llm_comparator.runs.task_run import TaskRun
from multi_llm_comparator.tracking.records import ItemRecord, RunRecord

R = TypeVar("R", bound=TaskRun[Any, Any])


class TaskRunKind(ABC, Generic[R]):
    """A :class:`RunKind`, made known to the registry of runs by being made.

    Args:
        runs: where runs live.
    """

    name: str
    page: str
    exports: Exports[Any]
    # What its runs are. (A class variable cannot name the type that its class is generic over.)
    run_class: ClassVar[Any]

    def __init__(self, runs: RunRegistry) -> None:
        self.runs = runs
        runs.register(self)

    @property
    def formats(self) -> tuple[str, ...]:
        """See :attr:`RunKind.formats`."""
        return self.exports.formats

    async def get(self, run_id: str) -> R:
        """See :meth:`RunRegistry.get`."""
        run: R = await self.runs.get(run_id, self.run_class)
        return run

    async def resume(self, run_id: str) -> R:
        """Do what is open, also what failed. See :meth:`RunRegistry.resume`."""
        run: R = await self.runs.resume(run_id, self.run_class)
        return run

    async def begun(self, run: R, *, parent_id: str | None = None, keys: Iterable[str] = ()) -> R:
        """A new run, stored with the items of these ``keys``, and at work."""
        self.recorded(run, parent_id=parent_id)
        await run.save(*keys)
        run.begin()
        self.runs.adopt(run)
        return run

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        """See :meth:`RunKind.export`."""
        snapshot = (await self.get(run_id)).snapshot()
        return await asyncio.to_thread(self.exports, snapshot, format, language)

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> R:
        """See :meth:`RunKind.restore`."""
        run = self.restored(record, items)
        if record.status == "interrupted":
            run.state, run.phase = "interrupted", ""
        return self.recorded(run, record)

    @abstractmethod
    def restored(self, record: RunRecord, items: Sequence[ItemRecord]) -> R:
        """The run as it was stored. Raises DocumentError: it cannot be read."""

    def recorded(self, run: R, record: RunRecord | None = None, *, parent_id: str | None = None) -> R:
        """Have a run written down in the store: a new one, or the one that was read as ``record``."""
        run.recorder = self.runs.recorder(run, record, parent_id=parent_id)
        return run
