"""Data as the page asks for it: looked at, cleaned and shown row by row, in a process of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from multi_llm_comparator.training.data.contamination import Contamination
from multi_llm_comparator.training.data.detection import Detection
from multi_llm_comparator.training.data.report import Found, RuleCount
from multi_llm_comparator.training.data.spec import Cleaning, DataSpec, SplitSpec
from multi_llm_comparator.training.data.statistics import DataStatistics
from multi_llm_comparator.ui.kit import figures as say
from multi_llm_comparator.ui.kit.i18n import t
from multi_llm_comparator.ui.tune.asked import Asked, asked
from multi_llm_comparator.workbench import get_workbench

_PHASES = ("reading", "comparing", "tokenising", "writing")


@dataclass(frozen=True)
class Inspected:
    """What was seen of the first rows. ``first_row`` is as it stands in the file, each value shortened."""

    detection: Detection
    notes: Sequence[str]
    first_row: Mapping[str, Any] | None


@dataclass(frozen=True)
class Previewed:
    """The rows that one example becomes, as texts of tokens with whether each is learnt; ``problems`` says of what is
    missing why."""

    where: str
    rows: Sequence[Sequence[tuple[str, bool]]]
    problems: Sequence[str]


@dataclass(frozen=True)
class Cleaned:
    """What cleaning found: as a clean report has it, numbers in place of files."""

    read: int
    left_out: int
    train: int
    validation: int
    counts: Mapping[str, RuleCount]
    statistics: DataStatistics | None
    contamination: Contamination | None


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
    plain = _uncleaned(spec)

    async def work(_: Callable[[str], None]) -> Inspected:
        found = await get_workbench().data.inspect(plain)
        known = {field.name: found["detection"][field.name] for field in fields(Detection)}
        detection = Detection(**{**known, "columns": tuple(known["columns"])})
        return Inspected(detection, found["notes"], next(iter(found["sample"]), None))

    return asked("inspected", _mark(plain), work)


def cleaned(spec: DataSpec, model_path: str, max_tokens: int) -> Asked[Cleaned]:
    """What cleaning finds, and how long rows are for this model."""
    key = f"{_mark(spec)}:{model_path}:{max_tokens}"
    # The words are those of the reader, whose language the event loop does not know.
    words = {phase: t(f"tune.cleaning_{phase}", n="{n}") for phase in _PHASES}

    async def work(tell: Callable[[str], None]) -> Cleaned:
        def on_progress(phase: str, rows: int, total: int | None) -> None:
            n = say.count(rows) if total is None else f"{say.count(rows)} / {say.count(total)}"
            tell(words.get(phase, "{n}").replace("{n}", n))

        home = get_workbench().settings.home / "tune"
        home.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=home, prefix="cleaned-", ignore_cleanup_errors=True) as folder:
            return _as_cleaned(
                await get_workbench().data.clean(
                    spec, Path(folder), model_path=model_path, max_tokens=max_tokens, on_progress=on_progress
                )
            )

    return asked("cleaned", key, work)


def _as_cleaned(report: Mapping[str, Any]) -> Cleaned:
    counts = {rule: RuleCount(**{**count, "examples": _examples(count)}) for rule, count in report["rules"].items()}
    known, found = report["statistics"], report["contamination"]
    return Cleaned(
        read=report["read"],
        left_out=report["left_out"],
        train=report["train"],
        validation=report["validation"],
        counts=counts,
        statistics=DataStatistics.from_dict(known) if known else None,
        contamination=Contamination.from_dict(found) if found else None,
    )


def _examples(count: Mapping[str, Any]) -> tuple[Found, ...]:
    return tuple(Found(**example) for example in count["examples"])


def previewed(spec: DataSpec, number: int, model_path: str, max_tokens: int) -> Asked[Previewed]:
    """An example as the model reads it; those that can be used count from 1."""
    plain = _uncleaned(spec)

    async def work(_: Callable[[str], None]) -> Previewed:
        found = await get_workbench().data.preview(plain, number - 1, model_path, max_tokens)
        rows = [[(text, learnt) for text, learnt in row] for row in found["rows"]]
        return Previewed(found["where"], rows, found["problems"])

    return asked("previewed", f"{_mark(plain)}:{number}:{model_path}:{max_tokens}", work)


def _uncleaned(spec: DataSpec) -> DataSpec:
    """The same data, whatever is set about cleaning: what one looks at does not change with it."""
    return spec.model_copy(update={"cleaning": Cleaning(), "split": SplitSpec(), "contamination": ()})
