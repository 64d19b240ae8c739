"""Plain data as JSON text that every reader takes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping


def json_text(data: object) -> str:
    """Plain data as JSON, which has no number for a speed without end: that is written as null."""
    return json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False)


def _finite(data: object) -> object:
    if isinstance(data, Mapping):
        return {name: _finite(value) for name, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
