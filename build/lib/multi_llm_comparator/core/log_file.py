"""A log that never grows large, and that a full disk does not turn into a torrent of tracebacks."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from multi_llm_comparator.core.private_files import make_private_folder


class LogFile(RotatingFileHandler):
    """Renewed before it grows larger than ``max_bytes``; ``trouble`` says why the last line could not be written.

    Args:
        path: the file; its folder is made if absent.
        max_bytes: size of one file.
        backups: how many older ones are kept.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, *, max_bytes: int, backups: int) -> None:
        make_private_folder(path.parent, close=False)
        super().__init__(path.resolve(), maxBytes=max_bytes, backupCount=backups, encoding="utf-8")
        self.trouble: str | None = None

    def emit(self, record: logging.LogRecord) -> None:
        before, self.trouble = self.trouble, None
        super().emit(record)
        if self.trouble is not None and before is None:
            print(f"the log {self.baseFilename!r} cannot be written: {self.trouble}", file=sys.stderr)

    def handleError(self, record: logging.LogRecord) -> None:
        # The name is the library's. It would print a traceback for each line.
        error = sys.exc_info()[1]
        self.trouble = getattr(error, "strerror", None) or str(error)
