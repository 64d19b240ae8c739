"""What kinds of job there are: the function of each, as text, so that the app imports none of them.

A package of yours adds a kind by an entry point of the group ``multi_llm_comparator.jobs``, with the kind as its name
and ``module:function`` as its value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.exceptions import ConfigurationError
from multi_llm_comparator.jobs.report import Report

GROUP = "multi_llm_comparator.jobs"
# By kind. Each is ``run(options, folder, report)``, imported in the process of the job alone.
ENTRIES = {
    "tuning": "multi_llm_comparator.training.job:run",
    "lm_eval": "multi_llm_comparator.evaluation.lm_eval_job:run",
    "opencompass": "multi_llm_comparator.evaluation.opencompass_job:run",
}
# The page that shows jobs of a kind; what others have added is shown with the tunings.
PAGES = {"tuning": "tune", "lm_eval": "measure", "opencompass": "measure"}
OTHER_PAGE = "tune"

Entry = Callable[[dict[str, Any], Path, Report], None]


def job_kinds() -> tuple[str, ...]:
    """Every kind that there is here, ours first."""
    return (*ENTRIES, *(point.name for point in _added(tuple(sys.path)) if point.name not in ENTRIES))


@lru_cache(maxsize=4)
def _added(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """What packages on this path add. Looked up once: that reads a file of each package, and pages ask often."""
    return tuple(entry_points(group=GROUP))


def entry_of(kind: str) -> str:
    """Where the function of a kind is, as ``module:function``; nothing is imported.

    Raises:
        ConfigurationError: there is no such kind.
    """
    if kind in ENTRIES:
        return ENTRIES[kind]
    for point in _added(tuple(sys.path)):
        if point.name == kind:
            return point.value
    known = ", ".join(map(repr, job_kinds()))
    raise ConfigurationError(f"there is no job of kind {kind!r}; there is {known}")


def load_entry(kind: str) -> Entry:
    """The function of a kind, imported.

    Raises:
        ConfigurationError: there is no such kind, or its module cannot be imported.
    """
    module, _, name = entry_of(kind).partition(":")
    try:
        entry: Entry = getattr(import_module(module), name)
    except (ImportError, AttributeError) as exc:
        raise ConfigurationError(
            f"jobs of kind {kind!r} cannot run here: {exc}; install what it needs (pip install -r requirements.txt)"
        ) from exc
    return entry
