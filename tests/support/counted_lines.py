"""When lines are counted, where they are counted at all (``--cov``).

Before Python 3.12 a thread whose lines are counted is several times slower, in libraries too. So they are counted where
that tells something: while modules of the package are imported, and in the first test of each function. Not while
libraries are imported and tests are collected, nor for the same function with other values, a hundred examples of a
property and what loads models: those add time, and next to no line.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
from coverage import Coverage

PACKAGE = f"{Path(__file__).parents[2] / 'multi_llm_comparator'}/"
# Functions of which a test has been counted.
_functions: set[str] = set()


@contextlib.contextmanager
def counting_in_all_threads(wanted: bool) -> Iterator[None]:
    """Within, lines are counted only if they are ``wanted``; nowhere if they were not to begin with. What has begun is
    not counted to its end afterwards."""
    coverage = Coverage.current()
    if wanted or coverage is None:
        yield
        return
    coverage.stop()
    try:
        yield
    finally:
        coverage.start()


def is_first_of_its_function(item: pytest.Item) -> bool:
    """Whether this test shows lines that no other one does."""
    name = item.nodeid.partition("[")[0]
    is_first = name not in _functions
    _functions.add(name)
    is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
    return is_first and not is_property and item.get_closest_marker("slow") is None


def _called() -> None:
    pass


class Here:
    """Counting in the main thread, which can be left out for a while: whatever has begun is counted on afterwards."""

    def __init__(self) -> None:
        self._tracer = sys.gettrace()

    @contextlib.contextmanager
    def only_if(self, wanted: bool) -> Iterator[None]:
        """Within, lines are counted only if they are ``wanted``; nowhere while nothing is counted in all threads."""
        if Coverage.current() is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = sys.gettrace()
        self._tracer = before or self._tracer
        sys.settrace(self._tracer if wanted else None)
        try:
            yield
        finally:
            sys.settrace(before)
            # The tracer counts in what has begun from the next call on.
            _called()

    def follow_imports(self) -> None:
        """From here on, of what is imported only the package's own lines are counted."""
        execute = SourceFileLoader.exec_module

        def exec_module(loader: SourceFileLoader, module: ModuleType) -> None:
            with self.only_if(str(loader.path).startswith(PACKAGE)):
                return execute(loader, module)

        pytest.MonkeyPatch().setattr(SourceFileLoader, "exec_module", exec_module)
