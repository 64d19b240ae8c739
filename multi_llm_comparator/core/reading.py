"""Opening files that anybody may have put there: regular files only, so many bytes and no more.

A FIFO or a device in the place of a file would block whoever opens or reads it, for good.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path

from multi_llm_comparator.core.exceptions import ConfigurationError


@contextmanager
def open_regular(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading, without ever waiting for it.

    Raises:
        OSError: as ``open`` does; also for what is no regular file.
    """
    _refuse_special(path, path.stat().st_mode)
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(path, flags), "rb") as file:
        # Looked at again once open: the name may have been swapped in between.
        _refuse_special(path, os.fstat(file.fileno()).st_mode)
        yield file


def _refuse_special(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_bytes(path: Path, max_bytes: int) -> bytes:
    """The whole content of a regular file.

    Raises:
        OSError: it cannot be read, is no regular file, or has more than ``max_bytes``.
    """
    with open_regular(path) as file:
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {_spoken(max_bytes)}", str(path))
    return data


def read_text(path: Path, max_bytes: int) -> str:
    """The whole text of a regular file, which is UTF-8.

    Raises:
        OSError: see :func:`read_bytes`.
        ValueError: it is not UTF-8.
    """
    return read_bytes(path, max_bytes).decode("utf-8")


def read_given(path: Path, max_bytes: int) -> bytes:
    """The whole content of a file that a user names; ``~`` is a home folder.

    Raises:
        ConfigurationError: see :func:`read_bytes`.
    """
    try:
        return read_bytes(path.expanduser(), max_bytes)
    except OSError as exc:
        raise ConfigurationError(f"{str(path)!r} cannot be read: {exc.strerror or exc}") from exc


def _spoken(size_bytes: int) -> str:
    return f"{size_bytes >> 20} MiB" if size_bytes >= 1 << 20 else f"{size_bytes >> 10} KiB"
