"""What the store keeps: runs of any kind, their items, and the points of their curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from multi_llm_comparator.core.at_work import WorkingProcess
from multi_llm_comparator.core.clock import now

RunState = Literal["queued", "running", "done", "failed", "stopped", "interrupted"]
# Somebody has to be at work on such a run; it is interrupted when nobody is.
ACTIVE: frozenset[str] = frozenset({"queued", "running"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run as lists show it. Times are seconds since the epoch.

    ``detail`` is one line about what took part, ``models`` are the names of what was asked. ``phase`` says more about a
    run at work (``planning``), ``origin`` where it was started (``cli``; empty for the pages), ``parent_id`` from which
    run it was made. What users add is written by methods of its own and only read here: ``tags``, ``note``, and the
    ``title`` where the run was renamed. So is ``owner``: the process whose lease on the run has not run out.
    ``caller`` is the id of whom it was made for (see :mod:`core.callers`); empty for this machine's own.

    A run that was read is ``interrupted`` where it is stored as queued or running and nobody holds a lease.
    """

    id: str
    kind: str
    title: str
    detail: str = ""
    status: str
    phase: str = ""
    created_at: float
    updated_at: float
    models: tuple[str, ...] = ()
    origin: str = ""
    parent_id: str | None = None
    caller: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""
    owner: WorkingProcess | None = None

    @property
    def stage(self) -> str:
        """What the run is doing, in one word: its phase while it is at work, else its state."""
        return (self.phase if self.status in ACTIVE else "") or self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(RunSummary):
    """A whole run. ``document`` is JSON data whose shape, of version ``schema_version``, is its kind's own affair.

    ``search_text`` is what a search finds beside title and detail: the prompts.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    search_text: str = ""
    schema_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """One part of a run with an outcome of its own: an answer, a step. ``record`` is JSON data like a document.

    ``key`` names it within its run, ``attempt`` counts from 1, ``position`` orders the items of a run. ``score`` is
    what a judge or a user gave it. ``tags`` and ``note`` are only read here, as those of a run are.
    """

    run_id: str
    key: str
    attempt: int = 1
    position: int = 0
    status: str
    text: str
    score: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    updated_at: float = field(default_factory=now)
    tags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a curve: the ``value`` of ``series`` at ``step``, measured at ``at`` seconds since the epoch."""

    series: str
    step: int
    value: float
    at: float


@dataclass(frozen=True, slots=True)
class ItemRef:
    """Names an item of a run for a tag or a note."""

    key: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class ItemMarks:
    """What a user added to an item of a run."""

    tags: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a list shows. What is empty or None does not count.

    Args:
        ids: one of these; None means any.
        kind: of this kind.
        states: in one of these states, as :class:`RunSummary` gives them.
        model: this model was asked.
        tag: the run, or an item of it, has this tag.
        origin: started there.
        parent_id: made from this run.
        caller: made for the caller of this id.
        made_after: made at this moment or later, in seconds since the epoch.
        made_before: made before this moment.
        text: with this text, in any case, in title, detail, prompts, answers, tags or notes; its first MAX_QUERY_CHARS
            characters count.
    """

    ids: tuple[str, ...] | None = None
    kind: str | None = None
    states: tuple[str, ...] = ()
    model: str | None = None
    tag: str | None = None
    origin: str | None = None
    parent_id: str | None = None
    caller: str | None = None
    made_after: float | None = None
    made_before: float | None = None
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who works on a run, and until when if the lease is not renewed (seconds since the epoch)."""

    run_id: str
    owner: WorkingProcess
    until: float
