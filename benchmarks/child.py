"""A contestant in a process of its own, which ends when it is told nothing more."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Self

END_S = 30.0


class Child:
    """A process that ends when its standard input does. Use as a context manager.

    Args:
        stderr: as for :class:`subprocess.Popen`; None shares this process's.
    """

    def __init__(self, command: Sequence[str], *, stderr: int | None = None) -> None:
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._child.stdin:
            with contextlib.suppress(BrokenPipeError):
                self._child.stdin.close()
        try:
            self._child.wait(timeout=END_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
