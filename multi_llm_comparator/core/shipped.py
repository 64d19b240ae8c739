"""Files beside the package that the app needs: in a checkout at its root, in an installed wheel in a folder of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parents[1]
_IN_WHEEL = _PACKAGE / "shipped"
# The folder with app.py, pages/ and .streamlit/.
ROOT = _IN_WHEEL if _IN_WHEEL.is_dir() else _PACKAGE.parent
IS_WHEEL = ROOT == _IN_WHEEL
# Models that come with an installed package; a checkout has its own folder of models.
MODELS = ROOT / "models" if IS_WHEEL else None


def app_options() -> dict[str, Any]:
    """Streamlit's options of the app by their dotted names; it finds them by itself only in a checkout's folder."""
    path = ROOT / ".streamlit" / "config.toml"
    if not path.is_file() or Path(".streamlit", "config.toml").is_file():
        return {}
    return dict(_dotted(tomllib.loads(path.read_text(encoding="utf-8"))))


def _dotted(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value
