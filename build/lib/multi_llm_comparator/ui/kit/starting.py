"""What can keep the app from starting, in one paragraph and an exit code instead of a traceback."""

from __future__ import annotations

import os
import sys
import textwrap
from typing import NoReturn

from multi_llm_comparator.core.exceptions import ConfigurationError, DamagedStoreError, MultiLLMError
from multi_llm_comparator.core.private_files import keep_files_private
from multi_llm_comparator.core.settings import get_settings
from multi_llm_comparator.core.telemetry import switch_off_telemetry
from multi_llm_comparator.tracking.database import set_aside
from multi_llm_comparator.ui.kit.logs import start_logging
from multi_llm_comparator.workbench import Workbench, get_workbench

WRONG_USE, FAILED = 2, 1
PARAGRAPH_COLUMNS = 100


def open_workbench(*, set_database_aside: bool = False) -> Workbench:
    """The workbench with its log, in a home that others cannot read; or the end of the process, with the reason.

    Args:
        set_database_aside: a damaged database is renamed with the date, and a new one begun.
    """
    keep_files_private()
    switch_off_telemetry()
    try:
        try:
            return _opened()
        except DamagedStoreError:
            if not set_database_aside:
                raise
            aside = set_aside(get_settings().resolved_database_url)
            print(f"the damaged database is kept as {str(aside)!r}", flush=True)
            return _opened()
    except (MultiLLMError, OSError) as exc:
        refuse_to_start(exc)


def _opened() -> Workbench:
    workbench = get_workbench()
    start_logging()
    return workbench


def refuse_to_start(error: MultiLLMError | OSError) -> NoReturn:
    """End this process with the reason, in one paragraph."""
    text = f"The workbench cannot start: {error}."
    print(textwrap.fill(text, PARAGRAPH_COLUMNS, break_long_words=False, break_on_hyphens=False), file=sys.stderr)
    sys.stderr.flush()
    # Neither the server that called nor Streamlit adds a traceback: nothing is open yet that must be closed.
    os._exit(WRONG_USE if isinstance(error, ConfigurationError) else FAILED)
