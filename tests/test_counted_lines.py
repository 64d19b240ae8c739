"""Lines of the package are counted where that tells something, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from coverage import Coverage

from tests.support.counted_lines import Here, counting_in_all_threads

SOURCE = """
def first(within):
    before = 1
    with within:
        second()
    return before

def second():
    return 2
"""


@pytest.fixture(autouse=True)
def nothing_else_is_counted() -> Iterator[None]:
    """Not even where lines of all tests are."""
    stopped: list[Coverage] = []
    # Those that the tests' processes and pytest begin lie upon one another.
    while (current := Coverage.current()) is not None:
        current.stop()
        stopped.append(current)
    yield
    for one in reversed(stopped):
        one.start()


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    path = tmp_path / "counted.py"
    path.write_text(SOURCE)
    return path


def imported(path: Path) -> Any:
    spec = spec_from_file_location("counted", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines_of(path: Path, use: Callable[[Any], object]) -> set[int]:
    """The numbers of the lines that count while a module of this source is used."""
    module, coverage = imported(path), Coverage(data_file=None, config_file=False, include=[str(path)])
    coverage.start()
    try:
        use(module)
    finally:
        coverage.stop()
    return set(coverage.get_data().lines(str(path)) or ())


def test_what_is_left_out_is_not_counted_and_what_had_begun_before_is_counted_on(counted: Path) -> None:
    here = Here()
    assert lines_of(counted, lambda module: module.first(here.only_if(False))) == {3, 4, 6}
    assert lines_of(counted, lambda module: module.first(here.only_if(True))) == {3, 4, 5, 6, 9}


def test_what_is_wanted_counts_within_what_is_left_out(counted: Path) -> None:
    here = Here()

    def use(module: Any) -> None:
        with here.only_if(False):
            module.second()
            module.first(here.only_if(True))
            module.first(here.only_if(False))

    assert lines_of(counted, use) == {9}


def test_a_test_that_is_not_counted_counts_in_no_thread(counted: Path) -> None:
    def use(module: Any) -> None:
        for wanted in (False, True):
            with counting_in_all_threads(wanted), Here().only_if(True):
                thread = Thread(target=module.second if wanted else partial(module.first, nullcontext()))
                thread.start()
                thread.join()

    assert lines_of(counted, use) == {9}


def test_nothing_is_counted_where_nothing_was_to_begin_with() -> None:
    with counting_in_all_threads(True), Here().only_if(True):
        assert Coverage.current() is None and sys.gettrace() is None
