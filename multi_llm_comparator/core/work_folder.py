"""A folder in which long work is kept, so that it can be gone on with: what it was begun with, and who is at it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from multi_llm_comparator.core.at_work import WorkingProcess, this_process
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, RunAtWorkError
from multi_llm_comparator.core.files import write_atomically

SETUP_FILE = "setup.json"
WORKER_FILE = "worker.json"


def open_work_folder(folder: Path, setup: dict[str, Any], *, may_change: Collection[str] = ()) -> None:
    """Begin work in ``folder``, or go on with it.

    Args:
        folder: made when absent.
        setup: what the outcome depends on; two setups in one folder would be a mixture that nobody could tell apart.
        may_change: settings, as ``"a.b"``, that work may go on with others of.

    Raises:
        ConfigurationError: it was begun with another setup, or holds something else.
        DocumentError: what it was begun with cannot be read.
        RunAtWorkError: another process is at work on it.
    """
    _check_setup(folder / SETUP_FILE, setup, may_change)
    _take(folder)


def read_setup(folder: Path) -> dict[str, Any]:
    """What the work in ``folder`` was begun with.

    Raises:
        DocumentError: it is no such folder.
    """
    path = folder / SETUP_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise DocumentError(f"no work was begun in {str(folder)!r}: {SETUP_FILE} cannot be read") from exc
    if not isinstance(data, dict):
        raise DocumentError(f"{str(path)!r} must hold one object")
    return data


def _check_setup(path: Path, setup: dict[str, Any], may_change: Collection[str]) -> None:
    if path.exists():
        # The given one through JSON and back, as the stored one went.
        before, given = _flat(read_setup(path.parent)), _flat(json.loads(json.dumps(setup)))
        names = {*before, *given}.difference(may_change)
        changed = sorted(name for name in names if before.get(name) != given.get(name))
        if changed:
            raise ConfigurationError(
                f"{str(path.parent)!r} was begun with other settings ({', '.join(changed)}); "
                "give a new folder, or delete that one"
            )
    elif path.parent.exists() and any(path.parent.iterdir()):
        raise ConfigurationError(f"the folder {str(path.parent)!r} holds something else; give a new one")
    write_atomically(path, json.dumps(setup, indent=2, ensure_ascii=False) + "\n")


def _take(folder: Path) -> None:
    """Two processes would do everything twice, and cut off each other's last lines."""
    path, own = folder / WORKER_FILE, this_process()
    with contextlib.suppress(OSError, ValueError, TypeError):
        other = WorkingProcess(**json.loads(path.read_text(encoding="utf-8")))
        if other.is_other:
            raise RunAtWorkError(f"process {other.pid} is at work on {str(folder)!r}; stop it there first")
    write_atomically(path, json.dumps(asdict(own)) + "\n")


def _flat(data: dict[str, Any], before: str = "") -> dict[str, Any]:
    """``{"a": {"b": 1}}`` as ``{"a.b": 1}``."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found
