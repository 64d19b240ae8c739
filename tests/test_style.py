"""What STYLE.md and CONTRIBUTING.md ask of words and sizes is so."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sources import tree_of

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "multi_llm_comparator"
STYLE = (ROOT / "STYLE.md").read_text(encoding="utf-8")
TERMS = re.findall(r"^\| ([a-z ]+) \| ", STYLE, re.MULTILINE)[1:]
# Words that the field has others for. "company" and "put together" are everyday words as well.
NOT_USED = re.compile(r"foretold|prophet|purse\b|obituar|gone on with", re.IGNORECASE)
MAX_FILE_LINES, MAX_BODY_LINES, MAX_PAGE_LINES, MAX_PREDICTION_LINES = 400, 40, 120, 500


def package() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def lines_of(path: Path) -> int:
    return path.read_text(encoding="utf-8").count("\n")


def test_a_term_names_one_class() -> None:
    assert len(TERMS) > 50
    wanted = {term.title().replace(" ", "") for term in TERMS}
    classes = defaultdict(list)
    for path in package():
        for name in re.findall(r"^ *class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            if name in wanted:
                classes[name].append(str(path.relative_to(PACKAGE)))
    assert classes.keys() > {"Plan", "Pane"}
    assert {name: places for name, places in classes.items() if len(places) > 1} == {}


def texts() -> Iterator[Path]:
    for folder in ("multi_llm_comparator", "docs", "pages", "tests", "demo", "benchmarks"):
        yield from (path for end in ("py", "md", "yaml", "html") for path in (ROOT / folder).rglob(f"*.{end}"))
    yield from ROOT.glob("*.md")


def test_words_that_the_field_has_others_for_are_not_used() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in texts()
        if path.name not in ("STYLE.md", "test_style.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if NOT_USED.search(line)
    ]
    assert found == []


def test_files_and_pages_are_short() -> None:
    assert {str(path.relative_to(ROOT)): n for path in package() if (n := lines_of(path)) > MAX_FILE_LINES} == {}
    assert {path.name: n for path in (ROOT / "pages").glob("*.py") if (n := lines_of(path)) > MAX_PAGE_LINES} == {}


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """Functions with the number of lines of their bodies, without docstrings."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
            yield node.name, (node.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("folder", [PACKAGE, ROOT / "pages"], ids=lambda path: path.name)
def test_functions_are_short(folder: Path) -> None:
    long = {
        f"{path.relative_to(ROOT)}: {name}": n
        for path in sorted(folder.rglob("*.py"))
        for name, n in bodies(path)
        if n > MAX_BODY_LINES
    }
    assert long == {}


def test_the_prediction_stays_small() -> None:
    assert sum(lines_of(path) for path in (PACKAGE / "prediction").rglob("*.py")) <= MAX_PREDICTION_LINES
