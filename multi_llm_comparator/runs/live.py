"""A run as an object: what is the same for every kind of run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.readable import Language
from multi_llm_comparator.runs.recorder import Recorder
from multi_llm_comparator.tracking.leases import at_work
from multi_llm_comparator.tracking.records import ACTIVE, ItemRecord, RunRecord, RunState


class LiveRun(ABC):
    """A run in memory. Its coroutines belong to one event loop; :meth:`snapshot` to anybody.

    ``owner`` is the process that works on it, if that is another one: this object then shows what was stored last, and
    refuses to be changed. ``kind`` is the name of its :class:`RunKind`.
    """

    kind: str
    owner: WorkingProcess | None = None
    recorder: Recorder | None = None

    @property
    @abstractmethod
    def id(self) -> str: ...

    @property
    @abstractmethod
    def title(self) -> str: ...

    @property
    @abstractmethod
    def state(self) -> RunState: ...

    @property
    def phase(self) -> str:
        """What a run at work is about just now, where its kind has several such things."""
        return ""

    @property
    def stage(self) -> str:
        """What the run is doing, in one word: its phase, else its state."""
        return self.phase or self.state

    @property
    @abstractmethod
    def version(self) -> int:
        """Grows with every change."""

    @abstractmethod
    def snapshot(self) -> Any:
        """The run now, as something that does not change any more; from any thread."""

    @property
    def is_at_work(self) -> bool:
        """Whether this process works on it."""
        return self.owner is None and self.state in ACTIVE

    @property
    def is_busy(self) -> bool:
        """Whether it must stay in memory: this process works on it, or has not saved all of it."""
        return self.is_at_work or (self.recorder is not None and self.recorder.is_busy)

    @abstractmethod
    async def stop(self) -> None:
        """End what runs because somebody wants it; what is there stays, and all is saved."""

    @abstractmethod
    async def interrupt(self) -> None:
        """End what runs because this process ends; all is saved, and can be resumed."""

    @abstractmethod
    async def resume(self) -> None:
        """Continue what was stopped or interrupted; nothing that is finished is repeated."""

    @abstractmethod
    async def wait(self) -> None:
        """Until nothing runs and all of it is saved."""

    async def opened(self) -> None:
        """This process read the run from the store, and nobody works on it: what never ended was interrupted."""
        return

    async def rename(self, title: str) -> None:
        """Give the run another title; an empty one gives back its first."""
        assert self.recorder is not None
        await self.recorder.rename(self.id, title)

    async def discard(self) -> None:
        """End what runs and save nothing more: the run is about to be deleted."""
        if self.recorder is not None:
            await self.recorder.discard()
        await self.stop()

    def refuse_elsewhere(self) -> None:
        """Raises RunAtWorkError: another process works on the run."""
        if self.owner is not None:
            raise at_work(self.id, self.owner)


@runtime_checkable
class Measured(Protocol):
    """A run that has figures to compare it by with others of its kind, once it has ended."""

    def figures(self) -> dict[str, float]:
        """Numbers by name; what is not known is left out."""


class RunKind(Protocol):
    """One kind of run, for the registry. ``page`` is the page that shows it."""

    @property
    def name(self) -> str: ...

    @property
    def page(self) -> str: ...

    @property
    def formats(self) -> tuple[str, ...]:
        """What its runs can be exported as, the most telling first."""

    async def export(self, run_id: str, format: str, language: Language) -> bytes:
        """One of its runs as a file, in one of :attr:`formats`; ``language`` is that of the words in it.

        Raises:
            RunNotFoundError: no such run.
            DocumentError: what is stored of it cannot be read.
        """

    def restore(self, record: RunRecord, items: Sequence[ItemRecord]) -> LiveRun:
        """Rebuild a run from what is stored of it, quickly: called in a thread.

        Where the record says ``interrupted`` nobody works on the run any more, and the object shows it.

        Raises:
            DocumentError: written by a newer version, or damaged.
        """
