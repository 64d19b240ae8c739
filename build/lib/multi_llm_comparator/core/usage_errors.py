"""What a command line does with words that it does not understand: typer's own errors, which it lets through to us."""

from __future__ import annotations

WRONG_USE = 2


def shown(error: Exception) -> int | None:
    """Show an error of the command line's parser, which says what was typed wrong; its exit code.

    None if the error is another one. Typer keeps these classes to itself, but not their methods.
    """
    show = getattr(error, "show", None)
    if show is None:
        return None
    show()
    return int(getattr(error, "exit_code", WRONG_USE))
