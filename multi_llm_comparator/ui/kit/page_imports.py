"""What the pages import, imported before anybody opens one: the browser is still reading its scripts meanwhile.

Streamlit runs a page's script when it is first opened, and only then its imports, of which pandas is the longest.
"""

from __future__ import annotations

import ast
import importlib
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from multi_llm_comparator.core.garbage import pass_over_what_is_loaded

# Streamlit imports it when a page first shows a list or a table.
FIRST = "pandas"

log = logging.getLogger(__name__)


def begin_imports(scripts: Sequence[Path]) -> threading.Thread:
    """Import in a thread what these scripts do, in their order; a script that is run meanwhile waits for no more than
    what both import."""
    thread = threading.Thread(target=_import_all, args=(list(scripts),), name="page-imports", daemon=True)
    thread.start()
    return thread


def _import_all(scripts: Sequence[Path]) -> None:
    try:
        importlib.import_module(FIRST)
        for script in scripts:
            for name in imported_by(script.read_text(encoding="utf-8")):
                importlib.import_module(name)
        pass_over_what_is_loaded()
    except Exception as exc:
        # The page that needs it says what is wrong, to whoever opens it.
        log.warning("not all that the pages need could be imported beforehand: %s: %s", type(exc).__name__, exc)


def imported_by(source: str) -> Iterator[str]:
    """The modules that a script imports at its beginning."""
    for node in ast.parse(source).body:
        match node:
            case ast.ImportFrom(module=str(name), level=0):
                yield name
            case ast.Import(names=names):
                yield from (one.name for one in names)
