"""Where a conversion writes: beside its goal, hidden, until all is there. A crash never leaves half a model."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from multi_llm_comparator.core.exceptions import ConversionError
from multi_llm_comparator.core.readable import size

# Left free on the disk beyond what is written.
SPARE_BYTES = 100 * 10**6
_SUFFIX = ".part"


@contextmanager
def file_beside(out: Path) -> Iterator[Path]:
    """A temporary file in the folder of ``out``, which is made if absent; gone afterwards unless it was published."""
    _make(out.parent)
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=_prefix(out), suffix=_SUFFIX)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def folder_beside(out: Path) -> Iterator[Path]:
    """A temporary folder beside ``out``; gone afterwards unless it was published."""
    _make(out.parent)
    name = tempfile.mkdtemp(dir=out.parent, prefix=_prefix(out), suffix=_SUFFIX)
    try:
        yield Path(name)
    finally:
        shutil.rmtree(name, ignore_errors=True)


def publish_file(temporary: Path, out: Path) -> None:
    """Put a finished file in its place, in one step."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    temporary.chmod(0o666 & ~_umask())
    temporary.replace(out)


def publish_folder(temporary: Path, out: Path) -> None:
    """Put a finished folder in its place, in one step.

    Raises:
        ConversionError: there is something by now.
    """
    temporary.chmod(0o777 & ~_umask())
    try:
        # An empty folder is replaced; anything else in the way is somebody's.
        temporary.replace(out)
    except OSError as exc:
        raise ConversionError(f"{str(out)!r} is there by now; delete or rename it, then convert again") from exc


def remove_leftovers(out: Path) -> None:
    """Delete what a killed conversion to ``out`` left beside it. None to that place may be at work."""
    if not out.parent.is_dir():
        return
    for path in out.parent.iterdir():
        if path.name.startswith(_prefix(out)) and path.name.endswith(_SUFFIX):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def check_disk(folder: Path, needed_bytes: int, what: str) -> None:
    """Raises ConversionError when ``needed_bytes`` do not fit on the disk that ``folder`` is, or will be, on."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free
    if needed_bytes + SPARE_BYTES > free:
        raise ConversionError(
            f"{what} needs {size(needed_bytes + SPARE_BYTES)} of disk in {str(there)!r}, of which "
            f"{size(free)} are free; free some space, or choose a smaller target"
        )


def _prefix(out: Path) -> str:
    return f".{out.name}."


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise ConversionError(f"the folder {str(folder)!r} cannot be made: {exc.strerror or exc}") from exc


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
