"""Data that other people's programs would bring: written for the tests, and the real sets where a machine has them."""

from __future__ import annotations

import os
from pathlib import Path

OWN = Path(__file__).parents[1] / "material"
_REAL = Path(os.environ.get("MLC_TEST_MATERIAL", Path(__file__).parents[3] / "shared" / "material"))


def real(*parts: str) -> list[Path]:
    """The file or folder of that place among the real data sets, or nothing where there is none."""
    path = _REAL.joinpath(*parts)
    return [path] if path.exists() else []


def files(own: str, *parts: str) -> list[Path]:
    """The tests' own file, and the real one of the same shape where it is there."""
    return [OWN / own, *real(*parts)]
