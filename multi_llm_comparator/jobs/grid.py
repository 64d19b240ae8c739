"""Several jobs that differ in chosen options."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.jobs.spec import MAX_TITLE_CHARS, JobSpec, changed

MAX_GRID = 64


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
