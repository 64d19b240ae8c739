"""One row of a data file, whatever file it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MAX_ROW_CHARS = 16 * 2**20
MAX_CELL_CHARS = 4 * 2**20
MAX_COLUMNS = 2_000


@dataclass(frozen=True, slots=True)
class Row:
    """``value`` is the row as JSON data, or None where it cannot be read, and ``problem`` says why.

    ``place`` names it within its file: ``line 3``, ``entry 3``, ``row 3``.
    """

    place: str
    value: Mapping[str, Any] | None
    problem: str = ""


def as_row(place: str, value: Any) -> Row:
    """A row of what was parsed, which must be an object."""
    if not isinstance(value, dict):
        return Row(place, None, f"it must be an object, not {type(value).__name__}")
    if len(value) > MAX_COLUMNS:
        return Row(place, None, f"it has more than {MAX_COLUMNS:,} fields")
    return Row(place, value)
