"""Imports point one way, and the app stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support.sources import tree_of

ROOT = Path(__file__).parents[1]
PACKAGE = "multi_llm_comparator"

# What each room may import of ours, besides itself. The faces (ui, server, cli) may import everything but each other,
# and nobody but they the workbench, which puts all of it together.
ALLOWED = {
    "core": set(),
    "charts": {"core"},
    "inferencers": {"core"},
    "services": {"core", "inferencers", "tracking"},
    "tracking": {"core"},
    "runs": {"core", "tracking"},
    "jobs": {"core", "services", "tracking", "runs"},
    "groups": {"core", "inferencers", "services", "tracking"},
    "comparison": {"core", "services", "groups", "tracking", "charts", "runs"},
    "plans": {"core", "services", "groups", "tracking", "charts", "runs"},
    "cooperation": {"core", "services", "groups", "tracking", "charts", "runs"},
    "prediction": {"core", "tracking", "charts", "runs", "plans"},
    "voting": {"core", "services", "groups", "tracking", "runs", "comparison"},
    "sharing": {"core", "services", "groups", "tracking", "runs", "comparison", "voting", "run_files"},
    "evaluation": {
        "core",
        "services",
        "groups",
        "tracking",
        "charts",
        "plans",
        "prediction",
        "cooperation",
        "runs",
        "jobs",
        "voting",
    },
    "applications": {"core", "services", "groups", "tracking", "charts", "runs", "cooperation"},
    "routing": {"core", "services", "groups", "tracking", "runs", "evaluation", "cooperation"},
    "conversion": {"core", "inferencers", "services", "tracking"},
    "training": {"core", "inferencers", "services", "tracking", "conversion", "jobs", "runs"},
}
FACES = {"ui", "server", "cli", "programs"}
# What puts all of it together, for the pages and without them.
TOGETHER = {"wiring", "workbench", "headless"}
# Classes that are made without a workbench have one opened for them when they are first used.
OPENERS = {"cooperation/standalone.py"}
STREAMLIT_PLACES = {"app.py", "pages", "tests", "docs"}


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            yield node.module or ""


def room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == PACKAGE and len(parts) > 1 else None


def against_the_arrows(path: Path) -> set[str]:
    """What a module imports and may not."""
    here = room(".".join(path.relative_to(ROOT).with_suffix("").parts))
    names = set(imported(path))
    rooms = {r for r in map(room, names) if r is not None} - {here}
    strays: set[str] = set()
    if here in FACES:
        strays = rooms & (FACES - {here})
    elif here in ALLOWED:
        opens = path.relative_to(ROOT / PACKAGE).as_posix() in OPENERS
        strays = rooms - (TOGETHER if opens else set()) - ALLOWED[here]
    if here not in FACES:
        strays |= {name for name in names if name.split(".")[0] == "streamlit"}
    return strays


def test_modules_import_only_along_the_arrows() -> None:
    paths = sorted((ROOT / PACKAGE).rglob("*.py"))
    assert len(paths) > 500
    strays = {str(path.relative_to(ROOT / PACKAGE)): against_the_arrows(path) for path in paths}
    assert {path: found for path, found in strays.items() if found} == {}


def test_every_room_stands_in_the_plan() -> None:
    rooms = {p.name for p in (ROOT / PACKAGE).iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert rooms <= set(ALLOWED) | FACES


def test_the_engine_of_the_app_does_not_import_the_heavy_libraries() -> None:
    code = (
        "import sys; import multi_llm_comparator.services.inference_engine, multi_llm_comparator.services.worker;"
        "print([m for m in ('torch', 'transformers', 'llama_cpp', 'streamlit') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
