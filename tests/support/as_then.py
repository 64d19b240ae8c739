"""What is written today, as an earlier version would have written it."""

from __future__ import annotations

from typing import Any


def as_then(now: Any, before: Any) -> Any:
    """Without the fields that came since, which are empty in what is that old."""
    if isinstance(now, dict) and isinstance(before, dict):
        kept = {name: value for name, value in now.items() if name in before or value not in ("", 0, None, [], ())}
        return {name: as_then(value, before.get(name)) for name, value in kept.items()}
    if isinstance(now, list | tuple) and isinstance(before, list) and len(now) == len(before):
        return [as_then(one, other) for one, other in zip(now, before, strict=True)]
    return now
