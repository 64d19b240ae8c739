"""What the pages remember between visits: language, panes and plan setup used last, which model wears which colour."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.callers import own_folder
from multi_llm_comparator.core.exceptions import NotWrittenError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.settings import get_settings

logger = logging.getLogger(__name__)

MAX_COLOURS = 500
MAX_FILE_BYTES = 4 * 2**20
_lock = threading.RLock()
# By path, with what the file's times and size were: a file that somebody changed is read anew.
_cached: dict[str, tuple[tuple[int, int], Preferences]] = {}


@dataclass(frozen=True)
class Preferences:
    """One person's choices on this machine. Losing them costs nothing but a few clicks."""

    language: str = ""
    panes: list[dict[str, Any]] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)
    measure: dict[str, Any] = field(default_factory=dict)
    cooperate: dict[str, Any] = field(default_factory=dict)
    vote: dict[str, Any] = field(default_factory=dict)
    compare: dict[str, Any] = field(default_factory=dict)
    colours: dict[str, int] = field(default_factory=dict)


def load() -> Preferences:
    """The stored preferences; defaults when there are none or the file is damaged."""
    path = _path()
    with _lock:
        state = _state(path)
        known = _cached.get(str(path))
        if known is None or known[0] != state:
            known = (state, _read(path))
            _cached[str(path)] = known
        return known[1]


def _path() -> Path:
    """Of whoever looks at the page: what one workspace chose, prompts in its panes too, is not another's."""
    return own_folder(get_settings().home) / "preferences.json"


def _state(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (0, 0)
    return (found.st_mtime_ns, found.st_size)


def _read(path: Path) -> Preferences:
    try:
        data = load_json(path, MAX_FILE_BYTES)
        if not isinstance(data, dict):
            raise ValueError(f"an object is expected, not {type(data).__name__}")
        known = {f.name: type(f.default_factory()) if callable(f.default_factory) else str for f in fields(Preferences)}
        return Preferences(**{name: data[name] for name, kind in known.items() if isinstance(data.get(name), kind)})
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as exc:
        logger.warning("preferences are unreadable and start afresh: %s", exc)
        return Preferences()


def forget() -> None:
    """Read the file anew at the next use."""
    with _lock:
        _cached.clear()


def update(**changes: Any) -> None:
    """Change some of the preferences and store them."""
    path = _path()
    with _lock:
        current = load()
        changed = Preferences(**{**asdict(current), **changes})
        if changed == current:
            return
        try:
            write_atomically(path, json.dumps(asdict(changed), ensure_ascii=False, indent=1))
        except NotWrittenError as exc:
            # They hold as long as the app runs; a click must not fail for them.
            logger.warning("preferences are not kept: %s", exc)
        _cached[str(path)] = (_state(path), changed)
