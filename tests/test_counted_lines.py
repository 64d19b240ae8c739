"""Lines of the package are counted where that tells something, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from coverage import Coverage

from tests.support.counted_lines import Counting

SOURCE = """
def first():
    return 1

def second():
    return 2
"""


@pytest.fixture(autouse=True)
def nothing_else_is_counted() -> Iterator[None]:
    """Not even where lines of all tests are."""
    before = Coverage.current()
    if before is None:
        yield
        return
    before.stop()
    yield
    before.start()


def test_lines_count_where_they_are_wanted_and_within_that_again_where_they_are_not(tmp_path: Path) -> None:
    path = tmp_path / "counted.py"
    path.write_text(SOURCE)
    spec = spec_from_file_location("counted", path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    coverage, counting = Coverage(data_file=None, config_file=False, include=[str(path)]), Counting()

    coverage.start()
    try:
        with counting.only_if(False):
            module.first()
            with counting.only_if(True), counting.only_if(True):
                with counting.only_if(False):
                    module.first()
                module.second()
            module.first()
        assert Coverage.current() is coverage
    finally:
        coverage.stop()
    assert coverage.get_data().lines(str(path)) == [6]


def test_nothing_is_counted_where_nothing_was_to_begin_with() -> None:
    with Counting().only_if(True):
        assert Coverage.current() is None
