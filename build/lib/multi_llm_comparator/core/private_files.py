"""What the workbench keeps is for its user alone: folders 0700, files 0600. Models stay as ordinary files.

``umask`` is set when the app or a command starts. What writes models (downloads, conversions, tuned checkpoints) is a
process of its own, and is started with the umask that the user had: others may well share a folder of models.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

PRIVATE_UMASK = 0o077
# More than a home holds in years; a cache of answers may be larger, and lies in a folder that nobody else can enter.
MAX_TIGHTENED = 20_000

_ordinary_umask: int | None = None


def keep_files_private() -> None:
    """From now on whatever this process makes is readable by its user alone."""
    global _ordinary_umask
    before = os.umask(PRIVATE_UMASK)
    if _ordinary_umask is None:
        _ordinary_umask = before


def use_ordinary_umask() -> None:
    """Undo :func:`keep_files_private`, in a process that goes on to write models itself."""
    if _ordinary_umask is not None:
        os.umask(_ordinary_umask)


def umask_for_models() -> int:
    """The ``umask`` argument for starting a process that writes models; -1 leaves it as it is."""
    return -1 if _ordinary_umask is None or os.name != "posix" else _ordinary_umask


def model_mode(mode: int) -> int:
    """``mode`` without what the user's own umask takes away, for a model's file that this process writes itself."""
    if _ordinary_umask is not None:
        return mode & ~_ordinary_umask
    umask = os.umask(0)
    os.umask(umask)
    return mode & ~umask


def make_private_folder(folder: Path, *, close: bool = True) -> None:
    """Make a folder that only this user can enter; with ``close``, also when it is there and others could.

    Raises:
        OSError: it cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if close and os.name == "posix":
        _tighten(folder)


def make_model_folder(folder: Path) -> None:
    """Make a folder for models, with its parents, as others may look into it.

    Raises:
        OSError: it cannot be made.
    """
    absent = [place for place in (folder, *folder.parents) if not place.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for place in absent:
        place.chmod(model_mode(0o777))


def tighten(place: Path) -> None:
    """Take away what others may do with a file of ours, or with a folder and all in it, as far as this user owns it.

    Links are neither followed nor changed.
    """
    if os.name != "posix":
        return
    _tighten(place)
    left = MAX_TIGHTENED
    for folder, folders, files in os.walk(place):
        for name in (*folders, *files):
            _tighten(Path(folder, name))
        left -= len(folders) + len(files)
        if left < 0:
            return


def _tighten(path: Path) -> None:
    # What cannot be changed (another's file, a file system without modes) stays as it is: that is no reason not to run.
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        if mode & 0o077 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            path.chmod(stat.S_IMODE(mode) & ~0o077)
