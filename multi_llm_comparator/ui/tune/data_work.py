"""Data as the page asks for it: looked at, cleaned and shown row by row, in a process of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from multi_llm_comparator.training.data.data_process import DataProcess
from multi_llm_comparator.training.data.detection import Detection
from multi_llm_comparator.training.data.report import CleanReport
from multi_llm_comparator.training.data.spec import DataSpec
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.asked import Asked, asked
from multi_llm_comparator.workbench import get_workbench

CLEANED = "cleaned"
_PHASES = ("reading", "comparing", "tokenising", "writing")


@dataclass(frozen=True)
class Inspected:
    """What was seen of the first rows. ``first_row`` is as it stands in the file."""

    detection: Detection
    notes: Sequence[str]
    first_row: Mapping[str, Any] | None


@dataclass(frozen=True)
class Previewed:
    """The rows that one example becomes, as texts of tokens with whether each is learnt; or why it becomes none."""

    rows: Sequence[Sequence[tuple[str, bool]]]
    why: str = ""


def _mark(spec: DataSpec) -> str:
    """Tells a specification from others, and its files from what they were before they changed."""
    marks = []
    for place in (spec.source, *spec.contamination):
        try:
            found = Path(place).stat()
        except OSError:
            continue
        marks.append((place, found.st_mtime_ns, found.st_size))
    return hashlib.sha256(f"{spec.model_dump_json()}{marks}".encode("utf-8", "replace")).hexdigest()[:32]


def inspected(spec: DataSpec) -> Asked[Inspected]:
    """The form of the data and its first rows."""
    plain = spec.model_copy(update={"cleaning": type(spec.cleaning)(), "contamination": ()})

    async def work(_: Callable[[str], None]) -> Inspected:
        found = await process().inspect(plain)
        return Inspected(found.detection, found.notes, next(iter(found.sample), None))

    return asked("inspected", _mark(plain), work)


def cleaned(spec: DataSpec, model_path: str, max_tokens: int) -> Asked[CleanReport]:
    """What cleaning finds, and how long rows are for this model."""
    key = f"{_mark(spec)}:{model_path}:{max_tokens}"
    folder = get_workbench().settings.home / "tune" / "cleaned" / hashlib.sha256(key.encode()).hexdigest()[:16]

    async def work(tell: Callable[[str], None]) -> CleanReport:
        words = {phase: t(f"tune.cleaning_{phase}", n="{n}") for phase in _PHASES}

        def on_progress(phase: str, rows: int) -> None:
            tell(words.get(phase, "{n}").replace("{n}", say.count(rows)))

        return await process().clean(spec, folder, model_path, max_tokens, on_progress)

    return asked(CLEANED, key, work)


def previewed(spec: DataSpec, number: int, model_path: str, max_tokens: int) -> Asked[Previewed]:
    """A row of the data as the model reads it; rows count from 1."""
    plain = spec.model_copy(update={"cleaning": type(spec.cleaning)(), "contamination": ()})

    async def work(_: Callable[[str], None]) -> Previewed:
        found = await process().preview(plain, number, model_path, max_tokens)
        return Previewed([[(piece.text, piece.learnt) for piece in row] for row in found.rows], found.why)

    return asked("previewed", f"{_mark(plain)}:{number}:{model_path}:{max_tokens}", work)


@cache
def process() -> DataProcess:
    """The process that works on data, one for the app."""
    return DataProcess()
