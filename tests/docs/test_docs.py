"""What the documentation tells to type really works, and what it points at is there."""

from __future__ import annotations

import functools
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.warm_launcher import APP
from tests.support.warm_python import warm_python

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md", "STYLE.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")
# These run for minutes or for ever; that they exist is checked, and each has tests of its own.
ONLY_CHECKED = ("make ", "python app.py", ".venv/bin/python app.py")


def blocks(language: str) -> list[Any]:
    found = []
    for page in PAGES:
        codes = [code for kind, code in FENCE.findall(page.read_text(encoding="utf-8")) if kind == language]
        found += [pytest.param(code, id=f"{page.name}-{number}") for number, code in enumerate(codes, 1)]
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the demo models and the configuration that is not the checkout: what an example writes does not
    stay, and it has only models that start at once."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for kind in ("pytorch", "gguf"):
        (tmp_path / "models" / kind).mkdir(parents=True)
        for model in (ROOT / "models" / kind).glob("demo-*"):
            (tmp_path / "models" / kind / model.name).symlink_to(model)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("python"))
def test_a_python_example_runs(code: Any, place: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [warm_python(), "-c", code], cwd=place, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr


@functools.cache
def ended(*words: str) -> subprocess.CompletedProcess[str]:
    """What became of a command; the same one is run once, whichever page has it."""
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
@pytest.mark.parametrize("code", blocks("bash"))
def test_a_command_works(code: Any) -> None:
    for line in filter(None, (line.split("#")[0].strip() for line in code.splitlines())):
        words = shlex.split(line)
        if line.startswith("make "):
            words = ["make", "--dry-run", *words[1:]]
        elif line.startswith(ONLY_CHECKED):
            words = [warm_python(APP), "app.py", "--help"]
        else:
            words = [warm_python() if w in (".venv/bin/python", "python") else w for w in words]
        done = ended(*words)
        assert done.returncode == 0, f"{line}: {done.stderr[-2000:]}"


def test_what_pages_point_at_is_there() -> None:
    assert len(PAGES) > 100
    targets = [
        (page, target.split("#")[0]) for page in PAGES for target in LINK.findall(page.read_text(encoding="utf-8"))
    ]
    lost = {(page.name, target) for page, target in targets if target and not (page.parent / target).exists()}
    assert lost == set()


def test_the_table_of_settings_is_up_to_date() -> None:
    from docs.make_settings_table import PAGE, written

    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "run: python docs/make_settings_table.py"
