"""The sources of the project, and what they say as syntax trees."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]


def tree_of(path: Path) -> ast.Module:
    # Not kept: all trees together are hundreds of megabytes, and millions of objects to look through.
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def page_sources() -> tuple[Path, ...]:
    """What draws pages."""
    return tuple(sorted([*(ROOT / "pages").glob("*.py"), *(ROOT / "multi_llm_comparator" / "ui").rglob("*.py")]))
