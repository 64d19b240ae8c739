"""Taking values of the right kind out of data that anybody may have written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from multi_llm_comparator.core.config import ModelConfig
from multi_llm_comparator.core.exceptions import InvalidParameterError

MAX_TEXT = 512
# No model has a dimension, a layer count or a context near this; products of a few such stay quick to compute.
MAX_WHOLE = 2**40


def whole(data: Mapping[str, Any], *names: str) -> int | None:
    """The first of ``names`` that holds a whole number from 0 to 2**40."""
    for name in names:
        value = data.get(name)
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            value = int(value)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_WHOLE:
            return value
    return None


def text(data: Mapping[str, Any], *names: str) -> str | None:
    """The first of ``names`` that holds a text that is not empty, cut to 512 characters."""
    for name in names:
        value = data.get(name)
        if isinstance(value, str) and value.strip():
            return _storable(value)
    return None


def _storable(value: str) -> str:
    # JSON can smuggle in half a surrogate pair, which no file or database takes.
    return value.strip()[:MAX_TEXT].encode("utf-8", "replace").decode()


def section(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The object called ``name``, or an empty one."""
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def texts(data: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """The texts in the list called ``name``, at most 64."""
    value = data.get(name)
    return tuple(_storable(v) for v in value[:64] if isinstance(v, str)) if isinstance(value, list | tuple) else ()


def recommended(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that :class:`ModelConfig` knows and would accept."""
    accepted: dict[str, Any] = {}
    for name, value in values.items():
        try:
            ModelConfig.from_dict({name: value}).validate()
        except InvalidParameterError:
            continue
        accepted[name] = value
    return accepted
