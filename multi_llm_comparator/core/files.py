"""Writing files so that a crash never leaves half of one."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from multi_llm_comparator.core.exceptions import NotWrittenError


def write_atomically(path: Path, content: str | bytes, *, mode: int | None = None) -> None:
    """Replace ``path`` by ``content`` in one step: readers see the old content or the new, never a part.

    Args:
        path: the file; its folder is made if absent.
        content: text is written as UTF-8.
        mode: permission bits, for files that others must not read.

    Raises:
        NotWrittenError: it could not be written (a full disk, a missing right); the old content is still there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise NotWrittenError(exc.errno, exc.strerror or str(exc), str(path)) from exc
