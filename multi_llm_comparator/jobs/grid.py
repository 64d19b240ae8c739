"""A few jobs that differ in chosen options, and one table of what came out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.jobs.snapshot import JobSnapshot
from multi_llm_comparator.jobs.spec import MAX_TITLE_CHARS, JobSpec, changed, differences
from multi_llm_comparator.tracking.records import Point, RunState

MAX_GRID = 64


@dataclass(frozen=True, slots=True)
class GridRow:
    """One job of a grid. ``values`` are in the order of the table's ``options``, ``results`` of its ``figures``."""

    run_id: str
    title: str
    state: RunState
    values: tuple[Any, ...]
    results: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class GridTable:
    """Jobs side by side: the options in which they differ, and the figures that any of them has."""

    options: tuple[str, ...]
    figures: tuple[str, ...]
    rows: tuple[GridRow, ...]


def grid_specs(spec: JobSpec, axes: Mapping[str, Sequence[Any]]) -> list[JobSpec]:
    """A specification for every combination of the values of ``axes``, the last axis changing fastest.

    Raises:
        ConfigurationError: an axis without values, too many combinations, or a value that cannot be.
    """
    count = 1
    for name, values in axes.items():
        if not values:
            raise ConfigurationError(f"the grid gives no values for {name!r}; give one or more")
        count *= len(values)
    if not axes or count > MAX_GRID:
        raise ConfigurationError(f"a grid has 1 to {MAX_GRID} jobs, not {count if axes else 0}; give fewer values")
    specs = []
    for values in itertools.product(*axes.values()):
        chosen = dict(zip(axes, values, strict=True))
        said = ", ".join(f"{name} {value}" for name, value in chosen.items())
        title = f"{spec.title[: MAX_TITLE_CHARS // 2]} · {said}"[:MAX_TITLE_CHARS]
        specs.append(changed(spec, **(chosen | {"title": title})))
    return specs


def table_of(jobs: Sequence[JobSnapshot]) -> GridTable:
    """Jobs side by side, in the order given."""
    options = differences([job.spec for job in jobs]) if jobs else {}
    results = [_figures(job) for job in jobs]
    figures = tuple(dict.fromkeys(name for one in results for name in one))
    rows = [
        GridRow(
            job.id,
            job.title,
            job.state,
            tuple(values[number] for values in options.values()),
            tuple(results[number].get(name) for name in figures),
        )
        for number, job in enumerate(jobs)
    ]
    return GridTable(tuple(options), figures, tuple(rows))


def _figures(job: JobSnapshot) -> dict[str, float]:
    """The numbers of a job's result; while it has none, the last points of its losses."""
    if job.result is not None:
        numbers = {name: value for name, value in job.result.items() if isinstance(value, int | float)}
        return {name: float(value) for name, value in numbers.items() if not isinstance(value, bool)}
    losses: Mapping[str, Sequence[Point]] = {name: job.curves.get(name, ()) for name in ("loss", "validation_loss")}
    return {name: curve[-1].value for name, curve in losses.items() if curve}
