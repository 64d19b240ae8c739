"""The server's log: a file that never grows large, without keys."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from multi_llm_comparator.core.keys import hide_keys
from multi_llm_comparator.core.log_file import LogFile

MAX_BYTES, BACKUPS = 2 * 1024 * 1024, 2


def keep_log(path: Path) -> None:
    """Send what this process logs to ``path``, and errors to the terminal too.

    Raises:
        OSError: the file cannot be opened.
    """
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.ERROR)
    for handler in (LogFile(path, max_bytes=MAX_BYTES, backups=BACKUPS), console):
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handler.addFilter(hide_keys)
        logging.getLogger().addHandler(handler)
    logging.getLogger("multi_llm_comparator").setLevel(logging.INFO)
