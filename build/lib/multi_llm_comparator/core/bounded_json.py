"""Reading JSON that anybody may have made: bounded in size, depth and numbers before anything else looks at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from multi_llm_comparator.core.exceptions import DocumentError
from multi_llm_comparator.core.reading import read_bytes

MAX_DEPTH = 16
MAX_VALUES = 2_000_000
# What a file of this many takes to read is far below a second.
MAX_COMMAS = 450_000
# Beyond this, whole numbers are no longer exact elsewhere (and no figure of ours is so large).
MAX_NUMBER = 2**53


def read_json(data: bytes, what: str, max_bytes: int) -> Any:
    """Parse a file's bytes.

    Args:
        data: UTF-8, with or without a byte order mark.
        what: how a message calls the file.
        max_bytes: larger files are refused unread.

    Raises:
        DocumentError: too large, not JSON, nested too deep, or with numbers that no figure can be.
    """
    if len(data) > max_bytes:
        raise DocumentError(f"{what} has {len(data)} bytes; at most {max_bytes} are read")
    try:
        value = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except RecursionError as exc:
        raise DocumentError(f"{what} is nested too deep") from exc
    except ValueError as exc:
        raise DocumentError(f"{what} is not readable as JSON: {exc}") from exc
    _check(value, what)
    return value


def load_json(path: Path, max_bytes: int) -> Any:
    """What a small file of our own, or of a model, holds.

    Raises:
        OSError: it cannot be read, is no regular file, or has more than ``max_bytes``.
        ValueError: it is not JSON in UTF-8, nested too deep, or holds too many values.
    """
    data = read_bytes(path, max_bytes)
    if data.count(b",") > MAX_COMMAS:
        raise ValueError(f"it holds more than {MAX_COMMAS} values")
    try:
        return json.loads(data)
    except RecursionError as exc:
        raise ValueError("it is nested too deep") from exc


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number that JSON knows")


def _check(value: Any, what: str) -> None:
    level, depth, seen = [value], 0, 0
    while level:
        seen += len(level)
        if depth > MAX_DEPTH or seen > MAX_VALUES:
            raise DocumentError(f"{what} is nested too deep or holds too many values")
        for number in level:
            if isinstance(number, int | float) and not (abs(number) <= MAX_NUMBER):  # NaN compares false as well
                raise DocumentError(f"{what} holds a number that is too large")
        level = [inner for outer in level for inner in _inside(outer)]
        depth += 1


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
