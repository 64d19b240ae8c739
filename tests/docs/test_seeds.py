"""The table of promises points at what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<promise>[^|]+) \| `(?P<place>[^`|]+)` \| `(?P<test>[^`|]+)` \|$", re.MULTILINE)
TEXT = (ROOT / "docs" / "seeds.md").read_text(encoding="utf-8")
ROWS = ROW.findall(TEXT)


def test_every_row_has_a_place_and_a_test() -> None:
    lines = [
        line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith(("| promise", "| ---"))
    ]
    assert len(lines) == len(ROWS) > 60


def test_the_extras_that_are_promised_can_be_installed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    extras = project["tool"]["setuptools"]["dynamic"]["optional-dependencies"]
    assert {"server", "dev", "all"} <= extras.keys()
    assert all((ROOT / file).is_file() for extra in extras.values() for file in extra["file"])


def has_tests(path: Path) -> bool:
    return path.is_file() and "def test_" in path.read_text(encoding="utf-8")


def test_what_promises_point_at_is_there() -> None:
    lost = [promise for promise, place, test in ROWS if not (ROOT / place).is_file() or not has_tests(ROOT / test)]
    assert lost == []
