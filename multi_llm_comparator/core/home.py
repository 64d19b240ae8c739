"""The home folder of the workbench: private, and of one workbench at a time.

Two workbenches on one home would write over each other's settings, presets and logs; runs have owners of their own, and
may be shared (see :mod:`runs.registry`). The lock is the system's own (``flock``, or its counterpart on Windows): it
ends with the process that holds it, however that ends. Commands that only read, or add runs, do not take it.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from multi_llm_comparator.core.bounded_json import load_json
from multi_llm_comparator.core.clock import now
from multi_llm_comparator.core.exceptions import ConfigurationError, HomeTakenError
from multi_llm_comparator.core.files import write_atomically
from multi_llm_comparator.core.private_files import make_private_folder, tighten

# What is known of whoever has a home, by the names of its files.
WORKBENCH, SERVER = "workbench", "server"
LOCK_ENDING = ".lock"
HOLDER_ENDING = ".holder.json"
MAX_HOLDER_BYTES = 4096
# Where jobs work that came to this machine by a cluster.
CLUSTER_JOBS = "cluster-jobs"
# What of a home is the workbench's own; a home may be a folder that holds other things too.
OURS = (
    "settings.yaml",
    "presets.json",
    "preferences.json",
    "prompts.json",
    "prompt_sets",
    "config.json",
    "safe_settings.json",
    "workbench.db*",
    "workbench.lock",
    "llm-cooperation.log*",
    "llm-config.log*",
    "endpoint.json",
    "server.holder.json",
    "logs",
    "keys",
    "gateway",
    "jobs",
    CLUSTER_JOBS,
    "adapters",
    "tune",
    "uploads",
    "written",
    "services",
    "shared_links.json",
    "workspaces",
)


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that has a home. ``since`` counts seconds from the epoch, ``address`` is where its pages are."""

    pid: int
    host: str
    since: float
    address: str = ""


class HomeLock:
    """Keeps a home, and a database elsewhere, for this process until it is released or the process ends.

    Args:
        home: the home folder.
        database: the file of the store, for one outside the home; None for one inside, or on a server.
    """

    def __init__(self, home: Path, database: Path | None = None) -> None:
        outside = database is not None and database.absolute().parent != home.absolute()
        self._places = [home / WORKBENCH, *([database.absolute()] if database is not None and outside else [])]
        self._locks: list[FileLock] = []

    def take(self) -> None:
        """Take all there is to take, or nothing.

        Raises:
            HomeTakenError: another process has it; who, and what to do.
            ConfigurationError: nothing can be written there.
        """
        try:
            for place in self._places:
                self._locks.append(_locked(place))
                _write_holder(place, Holder(os.getpid(), platform.node(), now()))
        except BaseException:
            self.release()
            raise

    def tell(self, address: str) -> None:
        """Have it known where the pages of this process are."""
        for place in self._places:
            _write_holder(place, Holder(os.getpid(), platform.node(), now(), address))

    def release(self) -> None:
        """Give it back; harmless when it was not taken."""
        for lock in self._locks:
            lock.release()
        self._locks.clear()


class Announced:
    """Has it known in a home that a server without pages is there, until it ends. Only one is known at a time: the last
    to start.

    Args:
        home: the home folder.
        address: where it answers.
    """

    def __init__(self, home: Path, address: str) -> None:
        self._place = home / SERVER
        self._holder = Holder(os.getpid(), platform.node(), now(), address)

    def __enter__(self) -> None:
        _write_holder(self._place, self._holder)

    def __exit__(self, *exc_info: object) -> None:
        if _holder(self._place) == self._holder:
            _beside(self._place, HOLDER_ENDING).unlink(missing_ok=True)


def running_in(home: Path) -> Holder | None:
    """The workbench, else the server without pages, that answers for this home on this machine; None if none does.

    What is written down may be of a process that was killed: whoever asks it finds out.
    """
    for name in (WORKBENCH, SERVER):
        holder = _holder(home / name)
        if holder is not None and holder.address and holder.host == platform.node() and psutil.pid_exists(holder.pid):
            return holder
    return None


def open_home(home: Path) -> None:
    """Make the home if it is absent, and close it and what is ours in it to other users.

    Raises:
        ConfigurationError: it cannot be made.
    """
    try:
        make_private_folder(home, close=_is_ours_alone(home))
    except OSError as exc:
        raise ConfigurationError(_unusable(home, exc)) from exc
    for pattern in OURS:
        for path in home.glob(pattern):
            tighten(path)


def _is_ours_alone(home: Path) -> bool:
    """Whether nobody needs to get through it: a person's own home, or a folder of projects, is left as it is."""
    absolute = home.absolute()
    return absolute != Path.home() and absolute not in (Path.cwd(), *Path.cwd().parents)


def _locked(place: Path) -> FileLock:
    path = _beside(place, LOCK_ENDING)
    try:
        # Taken in one thread and given back in another.
        lock = FileLock(path, timeout=0, mode=0o600, thread_local=False)
        lock.acquire()
    except Timeout:
        raise HomeTakenError(_taken(place, _holder(place))) from None
    except (OSError, NotImplementedError) as exc:
        raise ConfigurationError(_unusable(place.parent, exc)) from exc
    return lock


def _beside(place: Path, ending: str) -> Path:
    return place.with_name(place.name + ending)


def _write_holder(place: Path, holder: Holder) -> None:
    # It is there for a better message alone: a full disk is told by what needs it.
    with contextlib.suppress(OSError):
        write_atomically(_beside(place, HOLDER_ENDING), json.dumps(asdict(holder)) + "\n", mode=0o600)


def _holder(place: Path) -> Holder | None:
    try:
        data = load_json(_beside(place, HOLDER_ENDING), MAX_HOLDER_BYTES)
        return Holder(int(data["pid"]), str(data["host"]), float(data["since"]), str(data["address"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _taken(place: Path, holder: Holder | None) -> str:
    what = f"the home folder {str(place.parent)!r}" if place.name == WORKBENCH else f"the database {str(place)!r}"
    other = "start this one with another home: MLC_HOME=/path/to/folder in its environment"
    if holder is None:
        return f"{what} is in use by another workbench; end that one, or {other}"
    since = f"{datetime.fromtimestamp(holder.since).astimezone():%d %B %Y, %H:%M}"
    reach = f"; its pages are at {holder.address}" if holder.address else ""
    return (
        f"{what} is in use by another workbench: process {holder.pid} on {holder.host!r}, since {since}{reach}. "
        f"Use that one, or end it (Ctrl+C where it was started, or 'kill {holder.pid}'), or {other}"
    )


def _unusable(folder: Path, exc: Exception) -> str:
    reason = getattr(exc, "strerror", None) or str(exc)
    return (
        f"the folder {str(folder)!r} cannot be used: {reason}. Runs, presets and settings are kept there: make room or "
        "give this user the right to write there, or choose another with MLC_HOME=/path/to/folder"
    )
