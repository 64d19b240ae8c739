"""What the store keeps: runs of any kind, and the answers that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """A run as lists show it. ``detail`` is one line about what took part. Times: seconds since the epoch."""

    id: str
    kind: str
    title: str
    detail: str = ""
    status: str
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(RunSummary):
    """A whole run. ``document`` is JSON data whose shape, of version ``schema_version``, is its kind's own affair.

    ``search_text`` is what a search finds beside title and detail: the prompts.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    search_text: str = ""
    schema_version: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRecord:
    """One answer of a run: attempt ``attempt`` of ``pane_id`` at ``turn``. ``record`` is JSON data like a document."""

    id: str
    run_id: str
    turn: int
    pane_id: str
    attempt: int
    status: str
    text: str
    record: Mapping[str, Any] = field(default_factory=dict)
    updated_at: float
