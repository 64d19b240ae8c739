"""diskcache without pickle: a file that somebody tampered with must not run code when it is read."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import diskcache  # type: ignore[import-untyped]
from diskcache.core import MODE_PICKLE  # type: ignore[import-untyped]

# What reading or writing a store may raise.
STORE_ERRORS = (sqlite3.Error, OSError, ValueError, diskcache.Timeout)


class JsonDisk(diskcache.JSONDisk):  # type: ignore[misc]
    """Keys and values are JSON; an entry that claims to be a pickle is refused."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:
        if mode == MODE_PICKLE:
            raise ValueError("a cache entry claims to be a pickle; it was not written by us: delete the cache's folder")
        return super().fetch(mode, filename, value, read)


def open_store(folder: Path, **settings: Any) -> Any:
    """A ``diskcache.Cache`` of JSON in ``folder``, which nobody else may read."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return diskcache.Cache(str(folder), disk=JsonDisk, **settings)
