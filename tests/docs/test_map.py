"""The map of the rooms is complete, and what it points at is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "multi_llm_comparator"
ROW = re.compile(r"^\| `([\w.]+)/?`.*? \| .+? \| `(.+?)` \| `(.+?)` \|$", re.MULTILINE)
ROWS = ROW.findall((ROOT / "docs" / "design.md").read_text(encoding="utf-8"))
PLACE = re.compile(r"`([\w.]+/[\w./]*)`")
OBJECT_ROW = re.compile(r"^\| `.+? \| `([\w./]+\.py)` \|", re.MULTILINE)


def rooms() -> set[str]:
    return {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}


def is_there(name: str) -> bool:
    return any((base / name).exists() for base in (ROOT, PACKAGE))


def test_every_room_is_on_the_map() -> None:
    assert rooms() <= {name for name, _, _ in ROWS}


def test_what_to_read_first_and_the_tests_of_every_room_are_there() -> None:
    places = [place for name, *named in ROWS if is_there(name) for place in named]
    assert [place for place in places if not is_there(place)] == []


def test_the_files_that_recipes_name_are_there() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    named = [place for place in PLACE.findall(page) if not re.search(r"NAME|CODE|^kit/", place)]
    assert len(named) > 60
    assert [place for place in named if not is_there(place)] == []


def test_the_files_that_the_pages_of_subsystems_name_are_there() -> None:
    for page in (ROOT / "docs" / "design").glob("*.md"):
        named = OBJECT_ROW.findall(page.read_text(encoding="utf-8"))
        here = [name for name in named if is_there(name.partition("/")[0])]
        assert [name for name in here if not is_there(name)] == [], page.name
