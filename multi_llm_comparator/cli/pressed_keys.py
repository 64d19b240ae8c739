"""Keys of the terminal, one at a time and without Enter; from a pipe, its letters."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def keys_at_once() -> Iterator[None]:
    """The terminal gives each key when it is pressed and does not show it. Ctrl+C ends the command as ever."""
    try:
        import termios
        import tty
    except ImportError:  # where there is no such terminal, a key is followed by Enter
        yield
        return
    at = sys.stdin.fileno()
    if not os.isatty(at):
        yield
        return
    before = termios.tcgetattr(at)
    try:
        tty.setcbreak(at)
        yield
    finally:
        termios.tcsetattr(at, termios.TCSADRAIN, before)


async def pressed_key() -> str:
    """The next key in lower case; "" at the end of a pipe, or for Ctrl+D. Spaces and line ends are passed by.

    Read on the event loop: a thread that waits for a key would keep a command that is stopped from ending.
    """
    at = sys.stdin.fileno()
    while True:
        await _readable(at)
        data = os.read(at, 1)
        if data in (b"", b"\x04"):
            return ""
        if not data.isspace():
            return data.decode("ascii", "replace").lower()


async def _readable(at: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(at, ready.set)
    except (OSError, NotImplementedError):
        # A plain file always is; on Windows nobody can tell.
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(at)
