"""A folder in which long work is kept, so that it can be resumed: what it was begun with, and who is at it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from multi_llm_comparator.core.at_work import WorkingProcess, this_process
from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.exceptions import ConfigurationError, DocumentError, RunAtWorkError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.json_text import flattened

SETUP_FILE = "setup.json"
WORKER_FILE = "worker.json"
LOCK_FILE = "worker.lock"
LOCK_TIMEOUT_S = 10
MAX_FILE_BYTES = 2**20


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConfigurationError(f"the folder {str(folder)!r} cannot be made: {exc.strerror or exc}") from exc
    # Another process may begin just now: its setup is there before the rest, and must be looked for after that.
    if any(not _is_ours(other.name) for other in folder.iterdir()) and not (folder / SETUP_FILE).exists():
        raise ConfigurationError(f"the folder {str(folder)!r} holds something else; give a new one")
    # Looking whether it is free and taking it must be one thing. The lock is held for that long only: it is by the
    # process in WORKER_FILE that the folder is known to be at work.
    with FileLock(folder / LOCK_FILE, timeout=LOCK_TIMEOUT_S):
        _check_free(folder)
        _check_setup(folder / SETUP_FILE, setup, may_change)
        write_atomically(folder / WORKER_FILE, json.dumps(asdict(this_process())) + "\n")


def read_setup(folder: Path) -> dict[str, Any]:
    """What the work in ``folder`` was begun with.

    Raises:
        DocumentError: it is no such folder.
    """
    path = folder / SETUP_FILE
    try:
        data = load_json(path, MAX_FILE_BYTES)
    except (OSError, ValueError) as exc:
        raise DocumentError(f"no work was begun in {str(folder)!r}: {SETUP_FILE} cannot be read") from exc
    if not isinstance(data, dict):
        raise DocumentError(f"{str(path)!r} must hold one object")
    return data


def _check_setup(path: Path, setup: dict[str, Any], may_change: Collection[str]) -> None:
    if path.exists():
        # The given one through JSON and back, as the stored one went.
        before, given = flattened(read_setup(path.parent)), flattened(json.loads(json.dumps(setup)))
        names = {*before, *given}.difference(may_change)
        changed = sorted(name for name in names if before.get(name) != given.get(name))
        if changed:
            raise ConfigurationError(
                f"{str(path.parent)!r} was begun with other settings ({', '.join(changed)}); "
                "give a new folder, or delete that one"
            )
    write_atomically(path, json.dumps(setup, indent=2, ensure_ascii=False) + "\n")


def _is_ours(name: str) -> bool:
    """Whether it may be left behind by a process that died before the setup was written."""
    return name in (WORKER_FILE, LOCK_FILE) or name.startswith((f".{SETUP_FILE}.", f".{WORKER_FILE}."))


def _check_free(folder: Path) -> None:
    """Two processes would do everything twice, and cut off each other's last lines."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        other = WorkingProcess(**load_json(folder / WORKER_FILE, MAX_FILE_BYTES))
        if other.is_other:
            raise RunAtWorkError(f"process {other.pid} is at work on {str(folder)!r}; stop it there first")
