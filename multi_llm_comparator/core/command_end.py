"""How a command of ours ends: an exit code and at most one message, never a traceback."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import typer

from multi_llm_comparator.core.exceptions import MultiLLMError

OK, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130


def exit_code(
    command: Callable[[], Any],
    say: Callable[[str], None],
    is_wrong_use: Callable[[MultiLLMError], bool],
    record: Callable[[], str] | None = None,
) -> int:
    """Run a command; 0 done, 1 it failed, 2 wrong use, 130 stopped by Ctrl+C.

    Args:
        command: a typer app's call in its mode that raises.
        say: prints a message.
        is_wrong_use: whether an error of ours is the caller's.
        record: writes what nobody foresaw to a log, and says where it is; None: there is no log, and it is raised.
    """
    try:
        return command() or OK
    except typer.Exit as exc:
        return exc.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has read enough, as `head` does; the interpreter would complain at its end.
        with contextlib.suppress(OSError):
            sys.stdout.close()
        return OK
    except MultiLLMError as exc:
        say(f"error: {exc}")
        return WRONG if is_wrong_use(exc) else FAILED
    except Exception as exc:
        if (wrong := _shown(exc)) is not None:
            return wrong
        if record is None and not isinstance(exc, OSError):
            raise
        where = record() if record is not None else ""
        if isinstance(exc, OSError):
            say(f"error: {exc.filename or 'a file'}: {exc.strerror or exc}")
        else:
            say(f"error: {type(exc).__name__}; the details are in {where}")
    return FAILED


def _shown(error: Exception) -> int | None:
    """Show an error of the command line's parser, which says what was typed wrong; its exit code.

    None if the error is another one. Typer keeps these classes to itself, but not their methods.
    """
    show = getattr(error, "show", None)
    if show is None:
        return None
    show()
    return int(getattr(error, "exit_code", WRONG))
