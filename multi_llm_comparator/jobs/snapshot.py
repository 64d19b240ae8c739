"""A job at one moment: what pages, exports and commands show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from multi_llm_comparator.jobs.events import Artefact, JobNote, Sample
from multi_llm_comparator.jobs.process import Leftover
from multi_llm_comparator.jobs.spec import JobSpec
from multi_llm_comparator.tracking.records import ACTIVE, Point, RunState


@dataclass(frozen=True, slots=True)
class JobProgress:
    """``done`` of ``total`` units, ``left_s`` seconds to go where that is known."""

    done: int
    total: int
    unit: str = "steps"
    left_s: float | None = None

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a job failed: the name of the error, and a text that says what to do."""

    type: str
    text: str


@dataclass(frozen=True, slots=True)
class IdleModel:
    """A model in memory that nobody asks just now: unloading it makes room."""

    model_id: str
    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitsFor:
    """Why a queued job has not begun.

    ``what``: ``turn`` behind ``ahead`` others, ``memory`` (``missing_bytes`` more, while ``models`` are loaded, of
    which the ``idle`` ones may be unloaded), ``gpu_memory`` (the same of a GPU), ``cpus`` or ``gpus`` (that others
    use), ``never`` when it needs more than the machine has. ``text`` says the same in English.
    """

    what: Literal["turn", "memory", "gpu_memory", "cpus", "gpus", "never"]
    text: str
    missing_bytes: int = 0
    models: int = 0
    idle: tuple[IdleModel, ...] = ()
    ahead: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """A job now. Times are seconds since the epoch.

    ``curves`` are by series, ordered by step; of more points than are drawn every second, fourth, ... is left out.
    ``samples`` are in the order in which they were made. ``attempt`` counts how often the job was begun or resumed.
    ``leftovers`` are processes that outlived the job. ``save_error`` says why what is shown is not stored.
    """

    id: str
    version: int
    spec: JobSpec
    title: str
    state: RunState
    phase: str = ""
    progress: JobProgress | None = None
    curves: Mapping[str, Sequence[Point]] = field(default_factory=dict)
    samples: Sequence[Sample] = ()
    notes: Sequence[JobNote] = ()
    artefacts: Sequence[Artefact] = ()
    result: Mapping[str, Any] | None = None
    error: Trouble | None = None
    waits_for: WaitsFor | None = None
    log_tail: Sequence[str] = ()
    created: float
    begun: float | None = None
    ended: float | None = None
    pid: int | None = None
    attempt: int = 0
    parent_id: str | None = None
    folder: str = ""
    leftovers: Sequence[Leftover] = ()
    save_error: str | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in ACTIVE
