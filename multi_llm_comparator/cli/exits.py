"""How commands end: an exit code and at most one message, never a traceback.

Exit codes: 0 done, 1 no answer or an error while working, 2 wrong use or configuration, 130 stopped by Ctrl+C.
"""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Coroutine
from importlib import import_module
from pathlib import Path
from typing import Any

import typer

from multi_llm_comparator.core.command_end import FAILED, OK, exit_code
from multi_llm_comparator.core.exceptions import (
    ConfigurationError,
    DocumentError,
    ModelNotFoundError,
    RunNotFoundError,
)

WRONG_USE = (ConfigurationError, DocumentError, RunNotFoundError, ModelNotFoundError)
LOG_BYTES = 1_000_000
# Those need neither a home nor a log, and are to answer at once.
_ONLY_SAYS = frozenset({"--help", "--version", "--show-completion", "--install-completion"})

log = logging.getLogger(__name__)


def run(work: Coroutine[Any, Any, bool | None]) -> None:
    """Run a command's work to its end, or to Ctrl+C. It is done unless it comes to False."""
    # Nobody who only reads the help waits for it.
    import asyncio

    async def until_told() -> bool | None:
        task = asyncio.current_task()
        assert task is not None
        # What a service manager sends means the same as Ctrl+C; a job in the background has that one switched off.
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        return await work

    try:
        outcome = asyncio.run(until_told())
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    raise typer.Exit(FAILED if outcome is False else OK)


def do(module: str, name: str, *given: Any, **named: Any) -> None:
    """Run ``cli.MODULE.NAME``, which is imported now that its command was typed."""
    run(_work_of(module, name)(*given, **named))


def do_stored(module: str, name: str, *given: Any, scans: bool = False) -> None:
    """The same with what is stored as its first argument, and nobody to ask; with ``scans`` the models of this machine
    are known by name."""
    from multi_llm_comparator.cli.planning import without_models

    work = _work_of(module, name)
    run(without_models(lambda services: work(services, *given), scans=scans))


def _work_of(module: str, name: str) -> Callable[..., Coroutine[Any, Any, bool | None]]:
    found: Callable[..., Coroutine[Any, Any, bool | None]]
    found = getattr(import_module(f"multi_llm_comparator.cli.{module}"), name)
    return found


def end_of(app: typer.Typer, name: str) -> int:
    """Run the command that was typed; its exit code. ``name`` is the program's, and of its log."""
    log_files: list[Path] = []

    def command() -> Any:
        if not _ONLY_SAYS.intersection(sys.argv[1:]) and len(sys.argv) > 1:
            log_files.append(_prepare(name))
        return app(standalone_mode=False)

    def record() -> str:
        log.exception("the command failed")
        return str(log_files[0]) if log_files else "the message above"

    return exit_code(command, _say, lambda exc: isinstance(exc, WRONG_USE), record)


def _say(text: str) -> None:
    from multi_llm_comparator.cli.consoles import messages

    messages.print(text, style="red")


def _prepare(name: str) -> Path:
    """Private files, no reports of use, a log; its path."""
    from multi_llm_comparator.core.home import open_home
    from multi_llm_comparator.core.keys import hide_keys
    from multi_llm_comparator.core.log_file import LogFile
    from multi_llm_comparator.core.private_files import keep_files_private
    from multi_llm_comparator.core.settings import get_settings
    from multi_llm_comparator.core.telemetry import switch_off_telemetry

    keep_files_private()
    switch_off_telemetry()
    open_home(get_settings().home)
    path = get_settings().home / f"{name}.log"
    handler = LogFile(path, max_bytes=LOG_BYTES, backups=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(hide_keys)
    logging.getLogger().addHandler(handler)
    return path
