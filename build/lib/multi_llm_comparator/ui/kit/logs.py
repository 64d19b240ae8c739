"""The log: everything a page does not show, with the id of the run it belongs to."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

import streamlit as st

from multi_llm_comparator.core.keys import hide_keys
from multi_llm_comparator.core.log_file import LogFile
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.ui.kit.i18n import tm

MAX_BYTES = 2 * 1024 * 1024
FILES = 5
_FORMAT = "%(asctime)s %(levelname)s %(name)s [run %(run)s] %(message)s"

logger = logging.getLogger(__name__)


def log_path() -> Path:
    return get_settings().home / "logs" / "workbench.log"


def start_logging() -> None:
    """Send the log to a file that is cut off and renewed before it grows large; only warnings reach the console."""
    path = log_path()
    root = logging.getLogger()
    if (known := _log_file()) is not None and known.baseFilename == str(path.resolve()):
        return
    handler = LogFile(path, max_bytes=MAX_BYTES, backups=FILES)
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(_with_run)
    handler.addFilter(hide_keys)
    root.addHandler(handler)
    logging.getLogger("multi_llm_comparator").setLevel(logging.INFO)


def _log_file() -> LogFile | None:
    return next((handler for handler in logging.getLogger().handlers if isinstance(handler, LogFile)), None)


def _with_run(record: logging.LogRecord) -> bool:
    """Give each line a run: the one its caller named, else "-"."""
    if not hasattr(record, "run"):
        record.run = "-"
    return True


def explain_script_error(error: Exception) -> bool:
    """Log an error that no page expected and show where to find it; the page itself shows no traceback."""
    code = secrets.token_hex(4)
    run = st.query_params.get("run", "-")
    logger.error("page failed, code %s", code, exc_info=error, extra={"run": run})
    log = _log_file()
    if log is not None and log.trouble:
        told = tm("error.unexpected_unlogged", code=code, kind=type(error).__name__, reason=log.trouble)
    else:
        told = tm("error.unexpected", code=code, path=str(log_path()))
    st.error(told, icon=":material/error:")
    return True
