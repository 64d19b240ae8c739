"""Events of an answer that a whole run gives: a plan, or several models together. They come beside those of
:mod:`core.events`, in the same stream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.events import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed(Event):
    """A line about how far a run is."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegan(Event):
    """The stored run that answers."""

    run_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMeasured(Event):
    """The figures of the finished run, which is of a ``kind`` (``plan``, ``cooperation``); times in seconds."""

    kind: str
    figures: dict[str, Any]
