"""When lines are counted, where they are counted at all (``--cov``).

Before Python 3.12 a thread whose lines are counted is several times slower, in libraries too. So they are counted where
that tells something: while modules of the package are imported, and in the first test of each function. Not while
libraries are imported and tests are collected, nor for the same function with other values, a hundred examples of a
property and what loads models: those add time, and next to no line.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
from coverage import Coverage

PACKAGE = f"{Path(__file__).parents[2] / 'multi_llm_comparator'}/"


class Counting:
    """Switches the counting of lines off and on again."""

    def __init__(self) -> None:
        # Whose counting is switched off from here.
        self._stopped: Coverage | None = None
        self._functions: set[str] = set()

    @contextlib.contextmanager
    def only_if(self, wanted: bool) -> Iterator[None]:
        """Within, lines are counted only if they are ``wanted``; nowhere if they were not to begin with."""
        running = Coverage.current()
        coverage = running or self._stopped
        if coverage is None or (running is not None) is wanted:
            yield
            return
        self._switch(coverage, on=wanted)
        try:
            yield
        finally:
            self._switch(coverage, on=not wanted)

    def _switch(self, coverage: Coverage, *, on: bool) -> None:
        self._stopped = None if on else coverage
        if on:
            coverage.start()
        else:
            coverage.stop()

    def is_first_of_its_function(self, item: pytest.Item) -> bool:
        """Whether this test shows lines that no other one does."""
        name = item.nodeid.partition("[")[0]
        is_first = name not in self._functions
        self._functions.add(name)
        is_property = getattr(getattr(item, "obj", None), "is_hypothesis_test", False)
        return is_first and not is_property and item.get_closest_marker("slow") is None

    def follow_imports(self) -> None:
        """From here on, of what is imported only the package's own lines are counted."""
        execute = SourceFileLoader.exec_module

        def exec_module(loader: SourceFileLoader, module: ModuleType) -> None:
            # Switched for all threads at once: what others import in the middle of a test does not matter as much.
            if threading.current_thread() is not threading.main_thread():
                return execute(loader, module)
            with self.only_if(str(loader.path).startswith(PACKAGE)):
                return execute(loader, module)

        pytest.MonkeyPatch().setattr(SourceFileLoader, "exec_module", exec_module)
